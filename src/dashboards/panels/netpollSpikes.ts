import { panelIds } from '../ids.js'
import { selected, tablePanel } from './kit.js'

export const netpollSpikes = tablePanel({
  id: panelIds.netpollSpikes,
  title: 'Netpoll delay spikes',
  description:
    'Single delays over the threshold, longest first: which goroutine waited, which thread polled, which part took the time, ' +
    'and where the goroutine was waiting (frames root first).',
  width: 24,
  height: 9,
  sql:
    'SELECT spike.ts, spike.service, spike.source, spike.goroutine, spike.tid, spike.poll_to_ready_ns AS poll_to_ready, ' +
    'spike.ready_to_run_ns AS ready_to_run, spike.total_ns AS total, stack.frames ' +
    `FROM (SELECT * FROM netpoll_spikes WHERE ${selected} ORDER BY total_ns DESC LIMIT 100) spike ` +
    'LEFT JOIN (SELECT * FROM stacks WHERE source IN (${source:sqlstring}) LATEST ON ts PARTITION BY source, stack_id) stack ' +
    'ON spike.stack_id = stack.stack_id AND spike.source = stack.source ORDER BY total DESC',
  units: { poll_to_ready: 'ns', ready_to_run: 'ns', total: 'ns' },
  widths: { ts: 180, service: 140, goroutine: 100, tid: 100, poll_to_ready: 110, ready_to_run: 110, total: 100 },
})
