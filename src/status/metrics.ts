import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'

/** A value, or one for each combination of labels; undefined leaves it out, because nothing is known. */
export type Reading = number | undefined | readonly (readonly [Readonly<Record<string, string>>, number | undefined])[]

/** One metric as Prometheus shows it. It is read when somebody asks. */
export interface MetricDefinition {
  /** Without the prefix; a counter ends in _total, everything else in its unit. */
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly labels?: readonly string[]
  readonly read: () => Reading
}

type Definer = (name: string, help: string, read: () => Reading, labels?: readonly string[]) => MetricDefinition

export const counter: Definer = (name, help, read, labels = []) => ({ name, help, kind: 'counter', labels, read })
export const gauge: Definer = (name, help, read, labels = []) => ({ name, help, kind: 'gauge', labels, read })

/** A registry with the process's own metrics (CPU, memory, event loop), and these. */
export function newRegistry(definitions: readonly MetricDefinition[]): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  registerMetrics(registry, definitions)
  return registry
}

/** Adds metrics under the name `dualtrace_NAME`. */
export function registerMetrics(registry: Registry, definitions: readonly MetricDefinition[]): void {
  for (const { name, help, kind, labels = [], read } of definitions) {
    const configuration = { name: `dualtrace_${name}`, help, labelNames: [...labels], registers: [registry] }
    if (kind === 'gauge')
      new Gauge({
        ...configuration,
        collect() {
          this.reset()
          // A metric without labels would stay, at 0.
          if (labels.length === 0) this.remove()
          for (const [own, value] of readings(read)) this.set(own, value)
        },
      })
    else
      new Counter({
        ...configuration,
        collect() {
          this.reset()
          // A metric without labels would stay, at 0.
          if (labels.length === 0) this.remove()
          for (const [own, value] of readings(read)) this.inc(own, value)
        },
      })
  }
}

function readings(read: () => Reading): [Readonly<Record<string, string>>, number][] {
  const reading = read()
  const all = typeof reading === 'object' ? reading : [[{}, reading] as const]
  return all.flatMap(([labels, value]) => (value === undefined ? [] : [[labels, value]]))
}
