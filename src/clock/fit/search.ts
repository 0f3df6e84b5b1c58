import { firstAtOrAfter, type LanePair } from './marks.js'

/** Width of a bin of differences, at least, and as a share of the searched stretch of Go's time: drift must not leave the bin. */
const leastBinNs = 200e3
const binShare = 200e-6
/** A mark counts in the search only when its lane was quiet before it for so long: bursts would vote for themselves. */
const quietNs = 300e3
/** Differences looked at in one search: some seconds of work at most. */
const mostVotes = 60_000_000
/** Bins held at once, 16 MB: 14 minutes of differences. */
const sliceBins = 1 << 22
const candidatesWanted = 12

/** How far from the truth a found difference may be. */
export function binWidth(lengthNs: number): number {
  return Math.max(leastBinNs, lengthNs * binShare)
}

interface Candidate {
  readonly offsetNs: number
  readonly votes: number
}

/**
 * Differences (perf's time minus Go's) that most pairs of marks have in common, best first, for the marks of one short stretch of Go's time. Every
 * mark of Go votes for the differences to all of perf's marks in its lane: pairs that belong together vote for the same bin, the others
 * scatter.
 */
export function searchOffsets(pairs: readonly LanePair[], fromNs: number, toNs: number): number[] {
  const lanes = pairs
    .map(({ go, perf }) => ({ go: onsets(go.times, fromNs, toNs), perf: onsets(perf.times, -Infinity, Infinity) }))
    .filter(({ go, perf }) => go.length > 0 && perf.length > 0)
  if (lanes.length === 0) return []
  thin(lanes)
  const binNs = binWidth(toNs - fromNs)
  const lowest = Math.min(...lanes.map(({ go, perf }) => perf[0]! - go.at(-1)!))
  const highest = Math.max(...lanes.map(({ go, perf }) => perf.at(-1)! - go[0]!))
  const candidates: Candidate[] = []
  const bins = new Uint16Array(Math.min(sliceBins, Math.ceil((highest - lowest) / binNs)) + 2)
  for (let fromDifference = lowest; fromDifference <= highest; fromDifference += sliceBins * binNs) {
    bins.fill(0)
    let voted = false
    for (const { go, perf } of lanes) if (vote(bins, binNs, go, perf, fromDifference)) voted = true
    if (voted) collect(bins, binNs, fromDifference, candidates)
  }
  return candidates.sort((a, b) => b.votes - a.votes).map(({ offsetNs }) => offsetNs)
}

function onsets(times: Float64Array, fromNs: number, toNs: number): Float64Array {
  const found: number[] = []
  for (let i = firstAtOrAfter(times, fromNs); i < times.length && times[i]! < toNs; i++) {
    if (i === 0 || times[i]! - times[i - 1]! >= quietNs) found.push(times[i]!)
  }
  return Float64Array.from(found)
}

/** Leaves out some of Go's marks when there are too many pairs; perf's must all stay. */
function thin(lanes: { go: Float64Array; readonly perf: Float64Array }[]): void {
  const votes = lanes.reduce((sum, { go, perf }) => sum + go.length * perf.length, 0)
  const every = Math.ceil(votes / mostVotes)
  if (every > 1) for (const lane of lanes) lane.go = lane.go.filter((_, i) => i % every === 0)
}

function vote(bins: Uint16Array, binNs: number, go: Float64Array, perf: Float64Array, fromDifference: number): boolean {
  const width = (bins.length - 2) * binNs
  let voted = false
  for (const atNs of go) {
    const end = atNs + fromDifference + width
    for (let i = firstAtOrAfter(perf, atNs + fromDifference); i < perf.length && perf[i]! < end; i++) {
      bins[Math.floor((perf[i]! - atNs - fromDifference) / binNs)]!++
      voted = true
    }
  }
  return voted
}

/** Adds the highest pairs of neighbouring bins: a difference on the border between two has its votes in both. */
function collect(bins: Uint16Array, binNs: number, fromDifference: number, candidates: Candidate[]): void {
  let least = candidates.length < candidatesWanted ? 0 : Math.min(...candidates.map(({ votes }) => votes))
  for (let i = 0; i + 1 < bins.length; i++) {
    const votes = bins[i]! + bins[i + 1]!
    if (votes <= least) continue
    const offsetNs = fromDifference + (i + 1) * binNs
    const near = candidates.findIndex((other) => Math.abs(other.offsetNs - offsetNs) < 2 * binNs)
    if (near >= 0) {
      if (candidates[near]!.votes >= votes) continue
      candidates.splice(near, 1)
    }
    candidates.push({ offsetNs, votes })
    if (candidates.length > candidatesWanted) {
      candidates.sort((a, b) => b.votes - a.votes)
      candidates.pop()
    }
    if (candidates.length === candidatesWanted) least = Math.min(...candidates.map((other) => other.votes))
  }
}
