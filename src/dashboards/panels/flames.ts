import type { StackKind } from '../../measures/stackTime.js'
import { panelIds } from '../ids.js'
import { flameGraphPanel, selected } from './kit.js'

/** Minutes and sources are added up by `ord`, which also puts the boxes in the order the panel needs. */
const sql = (scope: StackKind) =>
  'SELECT "level", label, "value", self FROM (SELECT ord, "level", label, sum("value") AS "value", sum(self) AS self ' +
  `FROM flames WHERE ${selected} AND scope = '${scope}' GROUP BY ord, "level", label ORDER BY ord, label)`

export const flames = [
  flameGraphPanel({
    id: panelIds.flamesOnCpu,
    title: 'On CPU',
    description:
      'CPU samples, as long as their periods, of whole minutes: kernel and Go frames under the function a goroutine was started with; ' +
      '[runtime] is a thread without a goroutine. Room above a box is time of boxes too small to be kept.',
    width: 24,
    height: 12,
    sql: sql('on_cpu'),
  }),
  flameGraphPanel({
    id: panelIds.flamesOffCpu,
    title: 'Off CPU',
    description:
      'Time of threads off their CPU with the stack they left it with; the last frame says why: preempted, asleep, disk or stopped.',
    width: 12,
    height: 12,
    sql: sql('off_cpu'),
  }),
  flameGraphPanel({
    id: panelIds.flamesBlocked,
    title: 'Goroutines blocked',
    description:
      'Time of goroutines from where they stopped running until they ran again; the last frame says what they waited for, ' +
      'sched_wait being ready to run without a P.',
    width: 12,
    height: 12,
    sql: sql('blocked'),
  }),
]
