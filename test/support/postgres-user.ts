/**
 * A separate process that uses a local PostgreSQL until its standard input ends.
 * Run by {@link postgresUser}.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startPostgres } from '../../local/postgres/index.js'
import { nodeOptions } from './root.js'

/** What the process does once the server runs: wait and close it, or exit without close(). */
type Then = 'close' | 'forget'

export interface PostgresUser {
  /** The server that it uses. */
  server: { url: string, pid: number }
  /** Closes the server and exits. */
  close (): Promise<void>
  /** Sends `signal` to the whole process group, as a terminal does. */
  signal (signal: NodeJS.Signals): void
  /** Resolves when it has ended. */
  ended: Promise<unknown>
}

/** Starts another process that uses the server in `dataDir`. */
export async function postgresUser (t: Test, dataDir: string, then: Then = 'close'): Promise<PostgresUser> {
  const child = spawn(process.execPath, [...nodeOptions, fileURLToPath(import.meta.url), dataDir, then], {
    stdio: ['pipe', 'pipe', 'inherit'], detached: true
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const [line] = await once(createInterface(child.stdout), 'line') as [string]
  return {
    server: JSON.parse(line) as PostgresUser['server'],
    ended,
    async close () {
      child.stdin.end()
      await ended
    },
    signal (signal) {
      process.kill(-(child.pid ?? NaN), signal)
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dataDir = '', then] = process.argv.slice(2)
  process.on('SIGINT', () => {}) // like a server that drains
  const server = await startPostgres({ dataDir, port: 0, durable: false })
  console.log(JSON.stringify(server))
  if (then === 'close') {
    await once(process.stdin.resume(), 'end')
    await server.close()
  }
}
