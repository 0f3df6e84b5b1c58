import type { CollectorStatus } from '../../src/pipeline/collect/status.js'
import { PipelineProcess } from './pipelineProcess.js'

export class CollectorProcess extends PipelineProcess {
  constructor(env: Readonly<Record<string, string>>, pipeline = 'collect') {
    super(pipeline, env)
  }

  /** The first state logged from now on that is as wanted. */
  async state(isWanted: (state: CollectorStatus) => boolean = () => true): Promise<CollectorStatus> {
    for (let at = this.lines.length; ; at++) {
      const line = await this.saidFrom(at, '"msg":"status"')
      at = this.lines.indexOf(line, at)
      const state = JSON.parse(line) as CollectorStatus
      if (isWanted(state)) return state
    }
  }
}
