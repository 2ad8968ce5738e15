import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { test, type Test } from 'tap'
import { PgSessionStore } from '../../src/sessions/store.js'
import { preparedPostgres, type Prepared } from '../support/operator.js'
import { root } from '../support/root.js'

const IMAGE = join(root, 'deploy/image')
/** As far from UTC as there is. */
const ZONE = 'Pacific/Kiritimati'

/** Runs psql with this environment alone: Debian's, or with the image's script in front of it. */
function psql (command: '/usr/bin/psql' | 'psql', args: string[], env: Record<string, string>) {
  const { stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8', timeout: 30_000, env: { PATH: `${IMAGE}:${process.env['PATH']}`, ...env }
  })
  if (error !== undefined) throw error
  return stdout + stderr
}

/**
 * The database as init.sql sets it up, on a server in another zone, with one live session and one that has expired
 * less than the difference between the zones ago.
 */
async function twoSessions (t: Test): Promise<Prepared> {
  const { postgres, env } = await preparedPostgres(t, ZONE)
  const url = Object.assign(new URL(env.DATABASE_URL), { password: encodeURIComponent(env.PGPASSWORD) }).href
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  for (const id of ['live', 'expired']) {
    await new Promise((resolve) => { store.set(id, { cookie: {} }, resolve) })
  }
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`UPDATE session SET expire = timezone('utc', now()) - interval '1 hour' WHERE sid = 'expired'`)
  await client.end()
  return { postgres, env }
}

/** The statements of the customer's runbook, with `NOW()` as it is, and what they find. */
const STATEMENTS: [sql: string, output: RegExp][] = [
  ['SELECT COUNT(*) FROM session WHERE expire > NOW();', /^1$/],
  ['SELECT COUNT(*) FROM session;', /^2$/],
  ['SELECT COUNT(*) FROM session WHERE expire < NOW();', /^1$/],
  [
    'SELECT DATE_TRUNC(\'minute\', expire), COUNT(*) FROM session WHERE expire > NOW() GROUP BY 1 ORDER BY 1;',
    /^[^\n]+\|1$/
  ],
  ['SELECT MIN(expire) < NOW(), MAX(expire) > NOW() FROM session;', /^t\|t$/],
  ['SELECT MAX(expire) - NOW() BETWEEN INTERVAL \'14 minutes\' AND INTERVAL \'15 minutes\' FROM session;', /^t$/],
  ['SELECT pg_size_pretty(pg_total_relation_size(\'session\'));', /^\d+ kB$/],
  ['DELETE FROM session WHERE expire < NOW();', /^DELETE 1$/],
  ['TRUNCATE session;', /^TRUNCATE TABLE$/]
]

test('expire > NOW() is right in psql, whatever the zone of the server and of the machine', async (t) => {
  const { env } = await twoSessions(t)
  const there = { ...env, TZ: ZONE }

  const inAnother = env.DATABASE_URL.replace(/cashsouk_auth$/, 'postgres')
  t.equal(psql('/usr/bin/psql', [inAnother, '-Atc', 'SHOW timezone'], there).trim(), ZONE)
  t.equal(psql('/usr/bin/psql', [env.DATABASE_URL, '-Atc', 'SHOW timezone'], there).trim(), 'UTC')
  for (const [sql, output] of STATEMENTS) {
    t.match(psql('/usr/bin/psql', [env.DATABASE_URL, '-Atc', sql], there).trim(), output, sql)
  }
})

test('The psql of the image connects to the server\'s database unless it is told another', async (t) => {
  const { env } = await preparedPostgres(t)
  const file = join(t.testdir(), 'url')
  writeFileSync(file, `${env.DATABASE_URL}\n`)
  const { PGPASSWORD } = env
  const asked = (args: string[], more: Record<string, string>) =>
    psql('psql', [...args, '-Atc', 'SELECT current_database()'], { PGPASSWORD, ...more }).trim()
  const { hostname, port } = new URL(env.DATABASE_URL)

  t.equal(asked([], { DATABASE_URL: env.DATABASE_URL }), 'cashsouk_auth')
  t.equal(asked([], { DATABASE_URL_FILE: file }), 'cashsouk_auth')
  t.equal(asked([env.DATABASE_URL], { DATABASE_URL: 'postgres://nowhere.invalid/x' }), 'cashsouk_auth')
  for (const args of [
    [`--host=${hostname}`, `--port=${port}`, '-Ucashsouk_auth', 'cashsouk_auth'],
    [`-p${port}`, '-h', hostname, '-U', 'cashsouk_auth', '-d', 'cashsouk_auth'],
    ['-d', env.DATABASE_URL]
  ]) t.equal(asked(args, { DATABASE_URL: 'postgres://nowhere.invalid/x' }), 'cashsouk_auth', args.join(' '))
  t.match(asked([], { DATABASE_URL_FILE: '/nowhere' }), /No such file/)
  t.match(psql('psql', ['--version'], { DATABASE_URL: 'postgres://nowhere.invalid/x' }), /^psql \(PostgreSQL\)/)
})

test('The commands of the image are executable, and say what they run', (t) => {
  const programs = { 'psql': '/usr/bin/psql', 'cashsouk-auth': 'node /app/dist/src/cli/index.js' }
  for (const [name, program] of Object.entries(programs)) {
    t.match(readFileSync(join(IMAGE, name), 'utf8'), `exec ${program} "$@"\n`)
    t.equal(spawnSync('test', ['-x', join(IMAGE, name)]).status, 0)
  }
  t.end()
})
