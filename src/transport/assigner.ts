import kafkajs from 'kafkajs'
import type { PartitionAssigner } from 'kafkajs'

/** Name of the protocol in the group: members that speak another one cannot join. */
const name = 'dualtrace-copartition'
const version = 1

/**
 * Deals partition numbers to members, so that every member has the same numbers of all topics: both tracks of a source meet in
 * one process. Members are taken in the order of their ids, which every leader sees alike.
 * @returns for each member its partition numbers; the numbers of members differ by one at most.
 */
export function dealPartitions(memberIds: readonly string[], partitionCount: number): Map<string, number[]> {
  const dealt = new Map<string, number[]>([...memberIds].sort().map((id) => [id, []]))
  const hands = [...dealt.values()]
  for (let partition = 0; partition < partitionCount; partition++) hands[partition % hands.length]!.push(partition)
  return dealt
}

export const coPartitionAssigner: PartitionAssigner = ({ cluster }) => ({
  name,
  version,
  // kafkajs wants promises here.
  // eslint-disable-next-line @typescript-eslint/require-await
  async assign({ members, topics }) {
    // Topics are created with equal counts; were one grown alone, its surplus partitions have no partner and wait.
    const counts = topics.map((topic) => cluster.findTopicPartitionMetadata(topic).length)
    const dealt = dealPartitions(
      members.map((member) => member.memberId),
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
    return {
      name,
      metadata: kafkajs.AssignerProtocol.MemberMetadata.encode({ version, topics, userData: Buffer.alloc(0) }),
    }
  },
})
