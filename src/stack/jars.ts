import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { UserError } from '../errors.js'
import { homeDir, packageRoot } from './paths.js'

const run = promisify(execFile)

export interface Jars {
  /** Java class path of Kafka (a directory wildcard). */
  readonly kafkaClassPath: string
  /** QuestDB's jar: a Java module. */
  readonly questdbJar: string
}

/**
 * The jars named by deploy/stack/pom.xml, fetched with Maven the first time and kept per version of the pom.
 * @throws UserError when Maven is missing or cannot resolve them.
 */
export async function ensureJars(note: (text: string) => void): Promise<Jars> {
  const pom = join(packageRoot(), 'deploy/stack/pom.xml')
  const version = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 12)
  const dir = join(homeDir(), 'jars', version)
  if (!existsSync(dir)) await fetchJars(pom, dir, note)
  const questdb = (await readdir(join(dir, 'questdb'))).find((name) => name.endsWith('.jar'))
  if (questdb === undefined) throw new UserError(`${dir} holds no QuestDB jar: remove that directory and try again`)
  return { kafkaClassPath: join(dir, 'kafka', '*'), questdbJar: join(dir, 'questdb', questdb) }
}

/** Fetches beside the final place and renames, so that two processes may do this at once and a killed one leaves nothing half done. */
async function fetchJars(pom: string, dir: string, note: (text: string) => void): Promise<void> {
  note('fetching the jars of Kafka and QuestDB with Maven (once)…')
  const partial = `${dir}.${process.pid}.partial`
  await mkdir(join(partial, 'questdb'), { recursive: true })
  try {
    await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}/kafka`])
    for (const name of await readdir(join(partial, 'kafka')))
      if (name.startsWith('questdb-')) await rename(join(partial, 'kafka', name), join(partial, 'questdb', name))
    await rename(partial, dir).catch((error: unknown) => {
      if (!existsSync(dir)) throw error
    })
  } catch (error) {
    const { code, stderr, stdout } = error as { code?: unknown; stderr?: string; stdout?: string }
    if (code === 'ENOENT')
      throw new UserError(
        'neither a Docker engine nor Maven (mvn) is here: install one of them to get Kafka and QuestDB',
      )
    const lines = `${stdout ?? ''}\n${stderr ?? ''}`.split('\n').filter((line) => line.includes('ERROR'))
    throw new UserError(`Maven could not fetch the jars of Kafka and QuestDB: ${lines[0] ?? String(error)}`)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/** @throws UserError unless a Java of at least version 17 is installed. */
export async function requireJava17(): Promise<void> {
  let text: string
  try {
    const { stdout, stderr } = await run('java', ['-version'])
    text = stdout + stderr
  } catch {
    throw new UserError(
      'Java is not installed and no Docker engine answers: install Java 17 (or Docker) to run the stack',
    )
  }
  const major = Number(/version "(\d+)/.exec(text)?.[1] ?? 0)
  if (major < 17)
    throw new UserError(`the stack needs Java 17 or newer, but java is version ${major}: install a newer one`)
}
