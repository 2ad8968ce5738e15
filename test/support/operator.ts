/**
 * What a person on call has: a shell with `docker-compose`, the log, and `psql` inside the image. No Docker engine is
 * needed: a stand-in runs the commands beside real processes.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { cognito, type FaultyCognito } from './cognito.js'
import { start, type RunningProcess } from './process.js'
import { root } from './root.js'
import { stoppablePostgres, type StoppablePostgres } from './stoppable-postgres.js'

/** Debian's, without the image's script in front of it. */
const PSQL = '/usr/bin/psql'
const PASSWORD = 'a password of a test, with \' and "'
const PATH = process.env['PATH'] ?? ''

export interface Prepared {
  postgres: StoppablePostgres
  /** What the container of docker-compose.yml has: no password in the address. */
  env: { DATABASE_URL: string, PGPASSWORD: string }
}

/** A PostgreSQL of the test's own, in this zone, that deploy/postgres/init.sql has set up, through psql. */
export async function preparedPostgres (t: Test, zone = 'UTC'): Promise<Prepared> {
  const postgres = await stoppablePostgres(t)
  const { status, stderr } = spawnSync(PSQL, [
    postgres.url, '--set=ON_ERROR_STOP=1', `--command=ALTER SYSTEM SET timezone = '${zone}'`,
    '--command=SELECT pg_reload_conf()', '--file=deploy/postgres/init.sql'
  ], { cwd: root, encoding: 'utf8', env: { PATH, POSTGRES_PASSWORD: PASSWORD } })
  if (status !== 0) throw new Error(stderr)
  const { host } = new URL(postgres.url)
  return { postgres, env: { DATABASE_URL: `postgres://cashsouk_auth@${host}/cashsouk_auth`, PGPASSWORD: PASSWORD } }
}

export interface Operator extends Prepared {
  origin: string
  pool: FaultyCognito
  server: RunningProcess
  /** Output of a command in the operator's shell, both streams. `env` is that of the shell. */
  run: (command: string, env?: Record<string, string>) => Promise<string>
}

/** A production server, and a person on call beside it. `isDown`: the server starts without its database. */
export async function operator (t: Test, { isDown = false } = {}): Promise<Operator> {
  const prepared = await preparedPostgres(t)
  if (isDown) await prepared.postgres.stop()
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const pool = await cognito(t, { callbackUrl: `${origin}/api/auth/callback` })
  const bin = t.testdir({ image: { 'cashsouk-auth': COMMAND_LINE } })
  chmodSync(join(bin, 'image/cashsouk-auth'), 0o755)
  const container = {
    PATH: `${join(bin, 'image')}:${join(root, 'deploy/image')}:${PATH}`,
    NODE_ENV: 'production',
    PGTZ: 'UTC',
    HOST: '127.0.0.1',
    PORT: String(port),
    PUBLIC_URL: origin,
    SESSION_SECRET: 'a secret of a test and of nothing else',
    ...pool.env,
    ...prepared.env
  }
  const server = start(t, process.execPath, ['dist/src/server.js'], { cwd: root, env: container })
  await server.seen(isDown ? /"Could not check the session table/ : /"ready on/)
  writeFileSync(join(bin, 'docker-compose'), STAND_IN)
  chmodSync(join(bin, 'docker-compose'), 0o755)
  writeFileSync(join(bin, 'container.sh'), Object.entries(container)
    .map(([name, value]) => `export ${name}='${value.replaceAll('\'', '\'\\\'\'')}'\n`).join(''))

  return {
    ...prepared,
    origin,
    pool,
    server,
    async run (command, env = {}) {
      writeFileSync(join(bin, 'log'), server.stdout())
      const child = spawn('sh', ['-c', command.replaceAll('http://localhost:3000', origin)], {
        cwd: bin, env: { PATH: `${bin}:${PATH}`, ...env }, timeout: 30_000, stdio: ['ignore', 'pipe', 'pipe']
      })
      return (await Promise.all([text(child.stdout), text(child.stderr)])).join('')
    }
  }
}

/** As deploy/image/cashsouk-auth, where the code is. */
const COMMAND_LINE = `#!/bin/sh
exec '${process.execPath}' '${join(root, 'dist/src/cli/index.js')}' "$@"
`

/** `logs` with or without Compose's prefix, and `exec api` with the container's environment only. */
const STAND_IN = `#!/bin/sh
here=$(dirname "$0")
[ "$1" = -f ] && shift 2
case $1 in
  logs)
    case " $* " in
      *' --no-log-prefix '*) cat "$here/log" ;;
      *) sed 's/^/api_1  | /' "$here/log" ;;
    esac ;;
  exec)
    shift 2
    exec env -i sh -c '. "$0"; exec "$@"' "$here/container.sh" "$@" ;;
esac
`
