import { panelIds } from '../ids.js'
import { selected, timeseriesPanel } from './kit.js'

const work = timeseriesPanel({
  id: panelIds.gcWork,
  title: 'GC: marking and assists',
  description:
    'Of each interval, how long the collector marked, all sources together (1 s a second in one source: it never rests), and how long goroutines ' +
    'assisted it, or waited to, instead of doing their own work, summed over goroutines.',
  unit: 'ns',
  width: 12,
  sql:
    'SELECT ts AS "time", sum(duration_ns) AS marking, sum(assist_ns) AS assists ' +
    `FROM gc_cycles WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})

const heap = timeseriesPanel({
  id: panelIds.gcHeap,
  title: 'GC: live heap and goal',
  description:
    'Largest heap that was live at the end of a cycle, and largest goal of a cycle. With GOGC=100 the goal is about twice what is live; close ' +
    'above it, GOMEMLIMIT leaves no room.',
  unit: 'bytes',
  width: 12,
  sql:
    'SELECT ts AS "time", max(heap_live_end) AS live, max(heap_goal) AS goal ' +
    `FROM gc_cycles WHERE ${selected} SAMPLE BY $__interval ORDER BY "time"`,
})

export const gcCycles = [work, heap]
