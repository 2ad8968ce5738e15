/**
 * The processes of the benchmark: contestants, each alone on its core, and the load generator.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Load, LoadMessage, Measured } from './load/index.js'
import { cpuSeconds, onContestantsCore } from './machine.js'
import type { Order, Reply } from './servers/serve.js'

/** A contestant may take this long to start, in milliseconds. */
const PATIENCE_MS = 30_000

export interface Running {
  port: number
  /** Seconds of the processor's time so far. */
  cpu (): number
  order (order: Order): Promise<unknown>
  close (): Promise<void>
}

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/**
 * @param file under `servers/`, without its extension.
 * @param alone on the contestants' core; false: beside database and load generator.
 */
export async function startServer (file: string, env: Record<string, string>, alone = true): Promise<Running> {
  const child = startProcess(`./servers/${file}.js`, env, alone)
  const waiting = new Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>()
  let lastId = 0
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => { reject(new Error(`${file} does not start`)) }, PATIENCE_MS)
    child.on('message', (reply: Reply) => {
      if ('ready' in reply) { clearTimeout(timer); resolve(reply.ready); return }
      if ('done' in reply) waiting.get(reply.id)?.resolve(reply.done)
      else waiting.get(reply.id)?.reject(new Error(`${file}: ${reply.failed}`))
      waiting.delete(reply.id)
    })
    child.once('exit', (code) => {
      const error = new Error(`${file} ended with ${code ?? 'a signal'}`)
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

/** Runs a script that reports once and ends. */
export async function runScript<Report> (file: string, env: Record<string, string>): Promise<Report> {
  const child = startProcess(`./servers/${file}.js`, env, true)
  const ended = once(child, 'exit').then(() => { throw new Error(`${file} ended without a report`) })
  const [report] = await Promise.race([once(child, 'message'), ended]) as [Report]
  ended.catch(() => {})
  return report
}

function startProcess (file: string, env: Record<string, string>, alone: boolean): ChildProcess {
  const { PROFILES } = env
  const script = [...(PROFILES === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${PROFILES}`]), fileOf(file)]
  const [command, args] = alone ? onContestantsCore(process.execPath, script) : [process.execPath, script]
  // What it logs costs it the writing, and goes nowhere.
  return spawn(command, args, { env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

async function end (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  const timer = setTimeout(() => { child.kill('SIGKILL') }, PATIENCE_MS)
  // It exits by itself then, and writes its profile where it was asked for one.
  if (child.connected) child.disconnect()
  else child.kill()
  await exited
  clearTimeout(timer)
}

export interface LoadGenerator {
  cpu (): number
  /**
   * @param marks `begun` is called when it begins to count; its `stop` ends the counting.
   * @throws when the contestant does not answer, or wrongly.
   */
  run (load: Load, marks: { begun: (stop: () => void) => void, ended: () => void }): Promise<Measured>
  close (): Promise<void>
}

export async function startLoadGenerator (): Promise<LoadGenerator> {
  const child = startProcess('./load/index.js', {}, false)
  await once(child, 'message')
  return {
    cpu: () => cpuSeconds(child.pid ?? NaN),
    run: (load, marks) => new Promise<Measured>((resolve, reject) => {
      const listen = (message: LoadMessage) => {
        if ('begun' in message) { marks.begun(() => { child.send({ stop: true }) }); return }
        if ('ended' in message) { marks.ended(); return }
        child.off('message', listen)
        if ('failed' in message) reject(new Error(message.failed))
        else if (message.wrong > 0) reject(new Error(`${message.wrong} wrong answers, such as: ${message.firstWrong ?? ''}`))
        else resolve(message)
      }
      child.on('message', listen)
      child.send(load)
    }),
    close: () => end(child)
  }
}
