import { maxGenerationBytes } from './spec.js'
import { isV1, maxTraceBytes } from './v1/spec.js'

/**
 * Most bytes that may wait until they can be read: a generation, or a whole trace of Go 1.21 or older.
 * @param version of the trace, such as '1.26'; undefined when it is not known
 */
export function maxHeldBytes(version: string | undefined): number {
  return isV1(Number(version?.split('.')[1])) ? maxTraceBytes : maxGenerationBytes
}
