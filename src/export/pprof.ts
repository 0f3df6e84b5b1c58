import { gzipSync } from 'node:zlib'
import { Function, Line, Location, Profile, Sample, StringTable, ValueType } from 'pprof-format'
import { BlockingProfile, type BlockingProfileName, type ProfileRecord } from '../measures/blockingProfile.js'
import type { MakeExporter } from './exporter.js'

/** One of the blocking profiles of `go tool trace` for `go tool pprof`: gzip'd profile.proto. */
export function pprof(name: BlockingProfileName): MakeExporter {
  return (file, { gate }) => {
    const profile = new BlockingProfile(name, gate && ((goid, fromNs, toNs) => gate.lengthOf(goid, fromNs, toNs)))
    return {
      observer: profile,
      finish: () => file.writeBytes(gzipSync(encode(profile.end()))),
    }
  }
}

/** With the sample types, the period and the identities of functions and places that go tool trace gives its profiles. */
function encode(records: readonly ProfileRecord[]): Uint8Array {
  const strings = new StringTable()
  const functions = new Map<string, Function>()
  const locations = new Map<string, Location>()
  const locationOf = ({ func, file, line, pc }: ProfileRecord['frames'][number]): number => {
    const functionKey = `${file}\n${func}`
    let known = functions.get(functionKey)
    if (known === undefined) {
      const nameId = strings.dedup(func)
      known = new Function({ id: functions.size + 1, name: nameId, systemName: nameId, filename: strings.dedup(file) })
      functions.set(functionKey, known)
    }
    const key = `${pc}\n${line}\n${functionKey}`
    let location = locations.get(key)
    if (location === undefined) {
      const at = [new Line({ functionId: known.id, line })]
      location = new Location({ id: locations.size + 1, address: pc, line: at })
      locations.set(key, location)
    }
    return Number(location.id)
  }
  const valueType = (type: string, unit: string) =>
    new ValueType({ type: strings.dedup(type), unit: strings.dedup(unit) })
  const sample = records.map(
    ({ frames, count, ns }) => new Sample({ locationId: frames.map(locationOf), value: [count, ns] }),
  )
  return new Profile({
    sampleType: [valueType('contentions', 'count'), valueType('delay', 'nanoseconds')],
    sample,
    location: [...locations.values()],
    function: [...functions.values()],
    stringTable: strings,
    periodType: valueType('trace', 'count'),
    period: 1,
  }).encode()
}
