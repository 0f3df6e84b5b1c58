import { PipelineProcess } from './pipelineProcess.js'

export class NormalizerProcess extends PipelineProcess {
  constructor(env: Readonly<Record<string, string>>) {
    super('normalize', env)
  }
}
