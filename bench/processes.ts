/**
 * The processes of the benchmark: contestants, each alone on its core, and the load generator.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { serverFile, THIS_BUILD, type Build } from './builds.js'
import type { Load, LoadMessage, Measured } from './load/index.js'
import { cpuSeconds, onContestantsCore } from './machine.js'
import type { Order, Reply } from './servers/serve.js'

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 30_000

export interface Running {
  port: number
  /** CPU seconds so far. */
  cpu (): number
  order (order: Order): Promise<unknown>
  close (): Promise<void>
}

export interface ServerOptions {
  /** The build whose file is run. Default: the current one. */
  build?: Build
  /** False: beside database and load generator, instead of on the contestant's core. Default true. */
  alone?: boolean
  /** A module that Node.js loads first. */
  preload?: string
}

/** @param name of a file in `servers/`, without its extension. */
export async function startServer (
  name: string, env: Record<string, string>, options: ServerOptions = {}
): Promise<Running> {
  const { build = THIS_BUILD, alone = true, preload } = options
  const flags = preload === undefined ? [] : ['--import', preload]
  const child = startProcess([...flags, serverFile(build, name)], env, alone)
  const waiting = new Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>()
  let lastId = 0
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => { reject(new Error(`${name} has not started in time`)) }, START_TIMEOUT_MS)
    child.on('message', (reply: Reply) => {
      if ('ready' in reply) {
        clearTimeout(timer)
        resolve(reply.ready)
        return
      }
      if ('done' in reply) waiting.get(reply.id)?.resolve(reply.done)
      else waiting.get(reply.id)?.reject(new Error(`${name}: ${reply.failed}`))
      waiting.delete(reply.id)
    })
    child.once('exit', (code) => {
      const error = new Error(`${name} has exited with ${code ?? 'a signal'}`)
      clearTimeout(timer)
      reject(error)
      for (const { reject } of waiting.values()) reject(error)
    })
  })
  return {
    port,
    cpu: () => cpuSeconds(child.pid ?? NaN),
    order: (order) => new Promise((resolve, reject) => {
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      child.send({ id, ...order })
    }),
    close: () => end(child)
  }
}

/** Runs a script of `servers/` that reports once and exits. */
export async function runScript<Report> (build: Build, name: string, env: Record<string, string>): Promise<Report> {
  const child = startProcess([serverFile(build, name)], env, true)
  const ended = once(child, 'exit').then(() => { throw new Error(`${name} has exited without a report`) })
  const [report] = await Promise.race([once(child, 'message'), ended]) as [Report]
  ended.catch(() => {})
  return report
}

function startProcess (args: string[], env: Record<string, string>, alone: boolean): ChildProcess {
  const { PROFILES } = env
  const flags = PROFILES === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${PROFILES}`]
  const [command, commandArgs] = alone
    ? onContestantsCore(process.execPath, [...flags, ...args])
    : [process.execPath, [...flags, ...args]]
  return spawn(command, commandArgs, {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'] // a contestant still pays for writing its log
  })
}

async function end (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  const timer = setTimeout(() => { child.kill('SIGKILL') }, STOP_TIMEOUT_MS)
  // It then exits by itself, so that it can write its profile.
  if (child.connected) child.disconnect()
  else child.kill()
  await exited
  clearTimeout(timer)
}

export interface LoadGenerator {
  /** CPU seconds so far. */
  cpu (): number
  /**
   * @param marks `begun` is called when counting begins; its `stop` ends the counting.
   * @throws if the contestant does not answer, or answers wrongly.
   */
  run (load: Load, marks: { begun: (stop: () => void) => void, ended: () => void }): Promise<Measured>
  close (): Promise<void>
}

export async function startLoadGenerator (): Promise<LoadGenerator> {
  const child = startProcess([fileURLToPath(new URL('./load/index.js', import.meta.url))], {}, false)
  await once(child, 'message')
  return {
    cpu: () => cpuSeconds(child.pid ?? NaN),
    run: (load, marks) => new Promise<Measured>((resolve, reject) => {
      const listen = (message: LoadMessage) => {
        if ('begun' in message) {
          marks.begun(() => { child.send({ stop: true }) })
          return
        }
        if ('ended' in message) {
          marks.ended()
          return
        }
        child.off('message', listen)
        if ('failed' in message) {
          reject(new Error(message.failed))
        } else if (message.wrong > 0) {
          reject(new Error(`${message.wrong} wrong answers, such as: ${message.firstWrong ?? ''}`))
        } else {
          resolve(message)
        }
      }
      child.on('message', listen)
      child.send(load)
    }),
    close: () => end(child)
  }
}
