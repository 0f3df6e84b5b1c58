import type { Table } from './table.js'

export const netpollSpikesTable: Table = {
  name: 'netpoll_spikes',
  doc: 'One netpoll delay over the threshold',
  columns: [
    { name: 'goroutine', type: 'long', doc: 'the goroutine that waited for the network' },
    { name: 'tid', type: 'long', doc: 'thread that polled and made the goroutine runnable' },
    {
      name: 'poll_to_ready_ns',
      type: 'long',
      doc: 'epoll_pwait returned to goroutine runnable, ns; null without perf',
    },
    { name: 'ready_to_run_ns', type: 'long', doc: 'goroutine runnable to running, ns' },
    { name: 'total_ns', type: 'long', doc: 'both parts together, ns' },
    { name: 'stack_id', type: 'text', doc: 'where the goroutine waited; key into stacks' },
  ],
  keys: ['goroutine'],
  ttlDays: 30,
}
