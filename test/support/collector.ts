import { PipelineProcess } from './pipelineProcess.js'

export class CollectorProcess extends PipelineProcess {
  constructor(env: Readonly<Record<string, string>>) {
    super('collect', env)
  }
}
