import { setTimeout as sleep } from 'node:timers/promises'
import { readSecret } from './secret-file.js'
import type { SecretFile } from './secret-sources.js'

/** How often the files are read, in milliseconds. */
const INTERVAL_MS = 2000
/** A changed file must say the same twice, so that one that is being written is not taken halfway. */
const SETTLE_MS = 100

/** The secrets of a configuration that come from files. */
export interface SecretSource {
  /** By the variable whose value they hold. */
  readonly files: ReadonlyMap<string, SecretFile>
  /** Changes the value of the configuration. @throws what `problemOf` explains. Then the former value stays. */
  replace (variable: string, text: string): void
}

export type SecretEvent =
  | { type: 'changed', variable: string }
  | { type: 'unusable', variable: string, reason: string }

/** A file, what was last taken from it, and what was last said about it. */
interface Watched extends SecretFile { variable: string, problem: string | undefined }

/**
 * Reads secrets again when their files change. The files are read and compared, because notifications miss
 * what happens behind a symbolic link, which is what Kubernetes replaces, and on network file systems.
 */
export class SecretWatch {
  readonly #source: SecretSource
  readonly #tell: (event: SecretEvent) => void
  readonly #watched: readonly Watched[]
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor (source: SecretSource, tell: (event: SecretEvent) => void) {
    this.#source = source
    this.#tell = tell
    this.#watched = [...source.files].map(([variable, file]) => ({ ...file, variable, problem: undefined }))
  }

  start (): void {
    this.#timer = setInterval(() => { void this.look() }, INTERVAL_MS).unref()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  /** Reads every file, and takes what has changed. Concurrent calls share one look. Never fails. */
  async look (): Promise<void> {
    this.#looking ??= Promise.all(this.#watched.map((watched) => this.#lookAt(watched)))
      .then(() => {})
      .finally(() => { this.#looking = undefined })
    await this.#looking
  }

  async #lookAt (watched: Watched): Promise<void> {
    const found = await read(watched.path)
    if (this.#isKnown(watched, found)) return
    await sleep(SETTLE_MS)
    const again = await read(watched.path)
    if (again.text !== found.text || again.problem !== found.problem) return
    const problem = again.problem ?? this.#take(watched, again.text)
    if (problem !== undefined && problem !== watched.problem) {
      this.#tell({ type: 'unusable', variable: watched.variable, reason: problem })
    }
    watched.problem = problem
  }

  #isKnown (watched: Watched, { text, problem }: Found): boolean {
    if (problem !== undefined) return problem === watched.problem
    if (text !== watched.text) return false
    watched.problem = undefined
    return true
  }

  /** @returns why the text cannot be used. */
  #take (watched: Watched, text: string): string | undefined {
    const { variable } = watched
    try {
      this.#source.replace(variable, text)
    } catch (error) {
      return (error as Error).message
    }
    watched.text = text
    this.#tell({ type: 'changed', variable })
    return undefined
  }
}

/** `text` is empty where there is a problem. */
interface Found { text: string, problem?: string }

const read = (path: string): Promise<Found> =>
  readSecret(path).then((text) => ({ text }), (error: unknown) => ({ text: '', problem: (error as Error).message }))
