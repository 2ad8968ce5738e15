import type { ChildProcess } from 'node:child_process'
import { createWriteStream, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ask } from './http.js'
import { hasEnded, start, stop, until } from './processes.js'

const SERVER = fileURLToPath(new URL('../src/server.js', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const LIVE_EVERY_MS = 100
const CLOCK_TICKS_PER_S = 100

export interface Instance {
  port: number
  start (): Promise<void>
  /** @param signal SIGTERM drains. Resolves when the process has ended, to its exit code. */
  stop (signal: NodeJS.Signals): Promise<number | null>
  /** `/health/live` since the last call: the longest answer in milliseconds, and how often there was none. */
  liveness (): { slowestMs: number, failures: number }
  isReady (): Promise<boolean>
  /** Whether it has ended without being told to. */
  readonly hasFailed: boolean
  usage (): Usage
}

/** Megabytes, open descriptors, and CPU seconds so far. */
export interface Usage { rss: number, descriptors: number, cpu: number }

/** A production instance, as `npm run build` makes it. Its log is in `folder`. */
export function instanceOf (name: string, port: number, env: Record<string, string>, folder: string): Instance {
  let child: ChildProcess | undefined
  let isExpectedToRun = false
  let hasFailed = false
  let seen = { slowestMs: 0, failures: 0 }
  const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' })

  async function watch (watched: ChildProcess): Promise<void> {
    while (!hasEnded(watched) && watched === child) {
      await sleep(LIVE_EVERY_MS)
      if (!isExpectedToRun || watched !== child) continue
      const began = performance.now()
      const isLive = await ask(`http://127.0.0.1:${port}/health/live`).then(({ status }) => status === 200, () => false)
      if (!isExpectedToRun || watched !== child) continue
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - began)
      if (!isLive) seen.failures++
    }
  }

  return {
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
      void watch(started)
    },
    async stop (signal) {
      if (child === undefined) return null
      isExpectedToRun = false
      await stop(child, signal)
      return child.exitCode
    },
    liveness () {
      const last = seen
      seen = { slowestMs: 0, failures: 0 }
      return last
    },
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
    }
  }
}
