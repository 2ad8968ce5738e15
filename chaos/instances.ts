import type { ChildProcess } from 'node:child_process'
import { createWriteStream, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask } from './http.js'
import { livenessOf, type Seen } from './liveness.js'
import { hasEnded, start, stop, until } from './processes.js'

const SERVER = fileURLToPath(new URL('../src/server.js', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const CLOCK_TICKS_PER_S = 100

export interface Instance {
  port: number
  start (): Promise<void>
  /** @param signal SIGTERM drains. Resolves when the process has ended, to its exit code. */
  stop (signal: NodeJS.Signals): Promise<number | null>
  /** `/health/live` since the last call. */
  liveness (): Seen
  isReady (): Promise<boolean>
  /** Whether it has ended without being told to. */
  readonly hasFailed: boolean
  usage (): Usage
  /** Ends it with SIGKILL, for good. */
  close (): Promise<void>
}

/** Megabytes, open descriptors, and CPU seconds so far. */
export interface Usage { rss: number, descriptors: number, cpu: number }

/** A production instance, as `npm run build` makes it. Its log is in `folder`. */
export function instanceOf (name: string, port: number, env: Record<string, string>, folder: string): Instance {
  let child: ChildProcess | undefined
  let isExpectedToRun = false
  let hasFailed = false
  const live = livenessOf(port)
  const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' })

  const instance: Instance = {
    port,
    get hasFailed () { return hasFailed },
    async start () {
      const { child: started, log: output } = start(process.execPath, [SERVER], {
        cwd: ROOT, env: { PATH: process.env.PATH, ...env, PORT: String(port) }
      })
      child = started
      started.stdout?.pipe(log, { end: false })
      started.stderr?.pipe(log, { end: false })
      started.once('exit', () => { if (isExpectedToRun && started === child) hasFailed = true })
      await until(`instance ${name} answers`, async () => {
        if (hasEnded(started)) throw new Error(`instance ${name} has ended: ${output()}`)
        return await ask(`http://127.0.0.1:${port}/health/live`).then(({ status }) => status === 200, () => false)
      })
      isExpectedToRun = true
      live.watch(started.pid ?? 0)
    },
    async stop (signal) {
      if (child === undefined) return null
      isExpectedToRun = false
      live.ignore()
      await stop(child, signal)
      return child.exitCode
    },
    liveness: () => live.seen(),
    isReady: () => ask(`http://127.0.0.1:${port}/health/ready`).then(({ status }) => status === 200, () => false),
    usage () {
      const at = `/proc/${child?.pid ?? 0}`
      const [, fields = ''] = readFileSync(`${at}/stat`, 'utf8').split(') ')
      const [utime = 0, stime = 0] = fields.split(' ').slice(11, 13).map(Number)
      const [, resident = '0'] = readFileSync(`${at}/statm`, 'utf8').split(' ')
      return {
        rss: Number(resident) * 4096 / 1e6,
        descriptors: readdirSync(`${at}/fd`).length,
        cpu: (utime + stime) / CLOCK_TICKS_PER_S
      }
    },
    async close () {
      await instance.stop('SIGKILL')
      await live.close()
    }
  }
  return instance
}
