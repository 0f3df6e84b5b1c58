import type { Gate } from '../analysis/selection.js'
import type { StackRoot } from '../measures/stackTime.js'
import type { TimelineListener } from '../timeline/model.js'
import type { ExportFile } from './file.js'

/** Writes one file of what it is told while a capture is analysed. */
export interface Exporter {
  /** Is told what is selected. */
  readonly listener?: TimelineListener
  /** Is told everything, and keeps to the selection by itself. */
  readonly observer?: TimelineListener | undefined
  /** Everything has been told. `title`: what the file is about. */
  finish(title: string): void
}

export interface ExportOptions {
  /** What is selected; undefined = everything. */
  readonly gate?: Gate | undefined
  /** Root of the stacks. */
  readonly by?: StackRoot | undefined
}

export type MakeExporter = (file: ExportFile, options: ExportOptions) => Exporter
