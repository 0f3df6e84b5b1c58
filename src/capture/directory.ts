import { access, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError } from '../errors.js'
import { Manifest, manifestFile } from './manifest.js'

/** Names `record` gives to the files of a capture directory; the manifest says which of them are there. */
export const captureFiles = { gotrace: 'go.trace', perf: 'perf.script.gz', perfData: 'perf.data' } as const

export interface Capture {
  readonly directory: string
  readonly manifest: Manifest
  readonly gotracePath?: string
  readonly perfPath?: string
}

/**
 * Reads a capture directory's manifest and checks that the files it names are there.
 * @throws UserError when it is not a directory, has no manifest, or the manifest cannot be used.
 */
export async function readCapture(directory: string): Promise<Capture> {
  const manifest = parseManifest(directory, await readManifestText(directory))
  const gotracePath = await present(directory, manifest.gotrace?.file)
  const perfPath = await present(directory, manifest.perf?.file)
  return {
    directory,
    manifest,
    ...(gotracePath === undefined ? {} : { gotracePath }),
    ...(perfPath === undefined ? {} : { perfPath }),
  }
}

/**
 * Makes the directory a recording goes into; false when it was there already, empty.
 * @throws UserError when it exists and is not empty, or cannot be made.
 */
export async function createCaptureDirectory(directory: string): Promise<boolean> {
  try {
    const made = await mkdir(directory, { recursive: true })
    if ((await readdir(directory)).length === 0) return made !== undefined
  } catch (error) {
    throw new UserError(`cannot make the directory ${directory}: ${(error as Error).message}`)
  }
  throw new UserError(`${directory} exists and is not empty: give another --out`)
}

export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  await writeFile(join(directory, manifestFile), `${JSON.stringify(Manifest.parse(manifest), undefined, 2)}\n`)
}

async function readManifestText(directory: string): Promise<string> {
  const info = await stat(directory).catch(() => undefined)
  if (info === undefined) throw new UserError(`there is no capture directory ${directory}`)
  if (!info.isDirectory()) throw new UserError(`${directory} is a file: give it as --trace FILE or --perf FILE`)
  try {
    return await readFile(join(directory, manifestFile), 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'has no' : 'has an unreadable'
    const files = (await readdir(directory)).sort()
    const trace = files.find((name) => /trace(\.gz)?$/.test(name)) ?? 'FILE'
    const perf = files.find((name) => /perf/.test(name)) ?? 'FILE'
    throw new UserError(
      `${directory} ${reason} ${manifestFile}, so it is no capture: give its files as --trace ${join(directory, trace)} --perf ${join(directory, perf)}`,
    )
  }
}

function parseManifest(directory: string, text: string): Manifest {
  const where = join(directory, manifestFile)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UserError(`${where} is not JSON: ${(error as Error).message}`)
  }
  const version = z.looseObject({ schemaVersion: z.unknown() }).safeParse(value).data?.schemaVersion
  if (version !== undefined && version !== 1)
    throw new UserError(
      `${where} has schema version ${JSON.stringify(version)}, this dualtrace reads version 1: update it`,
    )
  const parsed = Manifest.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`
  throw new UserError(`${where} is not a capture manifest${field}: ${issue?.message ?? 'it does not match the schema'}`)
}

async function present(directory: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const path = join(directory, file)
  try {
    await access(path)
    return path
  } catch {
    throw new UserError(`${path} is named in ${manifestFile} and is not there: copy the whole capture directory`)
  }
}
