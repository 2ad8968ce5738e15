import { join } from 'node:path'
import type { Test } from 'tap'
import { listening, start, type RunningProcess } from './process.js'

/** Debian's package. */
const EXECUTABLE = process.env.CADDY ?? '/usr/bin/caddy'

/** Runs Caddy with `dir/Caddyfile`, to which its relative paths refer, until the end of the test. */
export async function runCaddy (t: Test, dir: string, port: number): Promise<RunningProcess> {
  const server = start(t, EXECUTABLE, ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'], {
    cwd: dir,
    // What it keeps between runs stays in the test's folder.
    env: { PATH: process.env.PATH, HOME: dir, XDG_CONFIG_HOME: join(dir, 'config'), XDG_DATA_HOME: join(dir, 'data') }
  })
  await listening(server, port)
  return server
}
