import kafkajs from 'kafkajs'
import type { PartitionAssigner } from 'kafkajs'

/** Name of the protocol in the group: members that speak another one cannot join. */
const name = 'dualtrace-copartition'
const version = 1

export interface Member {
  readonly memberId: string
  /** Partition numbers it had before. */
  readonly held: readonly number[]
}

/**
 * Deals partition numbers to members, so that every member has the same numbers of all topics: both tracks of a source meet in
 * one process. A member keeps what it had as far as its share allows, since what moves must be read again from its checkpoint.
 * Members are taken in the order of their ids, which every leader sees alike.
 * @returns for each member its partition numbers; the numbers of members differ by one at most.
 */
export function dealPartitions(members: readonly Member[], partitionCount: number): Map<string, number[]> {
  const inOrder = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const dealt = new Map<string, number[]>(inOrder.map(({ memberId }) => [memberId, []]))
  const share = Math.floor(partitionCount / members.length)
  let larger = partitionCount % members.length
  const free = new Set(Array.from({ length: partitionCount }, (_, partition) => partition))
  for (const { memberId, held } of inOrder) {
    const hand = dealt.get(memberId)!
    for (const partition of held) {
      if (!free.has(partition) || hand.length > share || (hand.length === share && larger === 0)) continue
      if (hand.length === share) larger--
      hand.push(partition)
      free.delete(partition)
    }
  }
  const hands = [...dealt.values()]
  for (const partition of free)
    hands.reduce((least, hand) => (hand.length < least.length ? hand : least)).push(partition)
  for (const hand of hands) hand.sort((a, b) => a - b)
  return dealt
}

/** @param held the partition numbers this member has now. */
export const coPartitionAssigner =
  (held: () => readonly number[]): PartitionAssigner =>
  ({ cluster }) => ({
    name,
    version,
    // kafkajs wants promises here.
    // eslint-disable-next-line @typescript-eslint/require-await
    async assign({ members, topics }) {
      // Topics are created with equal counts; were one grown alone, its surplus partitions have no partner and wait.
      const counts = topics.map((topic) => cluster.findTopicPartitionMetadata(topic).length)
      const dealt = dealPartitions(
        members.map(({ memberId, memberMetadata }) => ({ memberId, held: heldBy(memberMetadata) })),
        Math.min(...counts),
      )
      return [...dealt].map(([memberId, partitions]) => ({
        memberId,
        memberAssignment: kafkajs.AssignerProtocol.MemberAssignment.encode({
          version,
          assignment: Object.fromEntries(topics.map((topic) => [topic, partitions])),
          userData: Buffer.alloc(0),
        }),
      }))
    },
    protocol({ topics }) {
      const userData = Buffer.from(held().join(','))
      return { name, metadata: kafkajs.AssignerProtocol.MemberMetadata.encode({ version, topics, userData }) }
    },
  })

function heldBy(metadata: Buffer): number[] {
  const text = kafkajs.AssignerProtocol.MemberMetadata.decode(metadata)?.userData.toString() ?? ''
  return text.split(',').flatMap((number) => (/^\d{1,9}$/.test(number) ? [Number(number)] : []))
}
