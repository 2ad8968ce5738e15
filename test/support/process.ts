import { spawn, type ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import type { Test } from 'tap'

export interface RunningProcess {
  child: ChildProcess
  /** The output so far. */
  stdout: () => string
  stderr: () => string
  /** Resolves with the match once `pattern` was written to stdout or stderr. */
  seen (pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Resolves with the exit code, or the name of the signal. */
  ended: Promise<number | string>
  /** Sends a signal to its whole group, SIGTERM by default, and waits for its end. */
  stop (signal?: NodeJS.Signals): Promise<number | string>
}

/** A process in its own process group, stopped at the end of the test. */
export function start (
  t: Test, command: string, args: string[], options: { cwd?: string, env?: NodeJS.ProcessEnv } = {}
): RunningProcess {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let stdout = ''
  let stderr = ''
  const listeners = new Set<() => void>()
  const told = () => { for (const listener of listeners) listener() }
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    told()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    told()
  })
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 'unknown')
      told()
    })
  })
  const running = () => child.exitCode === null && child.signalCode === null
  const send = (signal: NodeJS.Signals) => {
    // npm and the server it runs are one group.
    if (running() && child.pid !== undefined) process.kill(-child.pid, signal)
  }
  t.teardown(async () => {
    send('SIGTERM')
    const timer = setTimeout(() => { send('SIGKILL') }, 15_000)
    await ended
    clearTimeout(timer)
  })
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    async stop (signal = 'SIGTERM') {
      send(signal)
      return ended
    },
    async seen (pattern, timeoutMs = 30_000) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(stdout + stderr)
          if (match === null && running()) return
          clearTimeout(timer)
          listeners.delete(look)
          if (match === null) reject(new Error(`ended without ${String(pattern)}:\n${stdout}\n${stderr}`))
          else resolve(match)
        }
        const timer = setTimeout(() => {
          listeners.delete(look)
          reject(new Error(`no ${String(pattern)} within ${timeoutMs} ms:\n${stdout}\n${stderr}`))
        }, timeoutMs)
        listeners.add(look)
        look()
      })
    }
  }
}

/** Waits until the process listens on this port of 127.0.0.1. @throws with its stderr, if it ends or does not. */
export async function listening ({ child, stderr }: RunningProcess, port: number): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) throw new Error(stderr())
    if (await accepts(port)) return
    await new Promise((resolve) => { setTimeout(resolve, 50) })
  }
  throw new Error(`${child.spawnfile} does not listen: ${stderr()}`)
}

const accepts = (port: number): Promise<boolean> => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => {
    socket.destroy()
    resolve(true)
  }).once('error', () => {
    resolve(false)
  })
})
