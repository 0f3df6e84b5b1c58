/** Bytes this process has sent and received compressed, as they travel and as they are. */
export interface WireBytes {
  sentPackedBytes: number
  sentBytes: number
  receivedPackedBytes: number
  receivedBytes: number
}

export const wireBytes: WireBytes = { sentPackedBytes: 0, sentBytes: 0, receivedPackedBytes: 0, receivedBytes: 0 }
