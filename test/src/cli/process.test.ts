import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { test, type Test } from 'tap'
import { progress } from '../../../src/cli/progress.js'
import { CREATE_TABLE } from '../../../src/rate/table.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { cli } from '../../support/cli.js'
import { database } from '../../support/database.js'
import { start } from '../../support/process.js'
import { moduleUrl, nodeOptions } from '../../support/root.js'
import { until } from '../../support/until.js'

const program = fileURLToPath(moduleUrl('../../../src/cli/index', import.meta.url))
const args = [...nodeOptions, program]

/** A table with this many sessions. */
async function sessions (t: Parameters<typeof database>[0], count: number) {
  const db = await database(t)
  const store = new PgSessionStore({ conString: db.url, pruneSessionInterval: false })
  await store.createTable()
  await store.close()
  await db.query(`INSERT INTO session
    SELECT 'sid-' || n, '{"user":{"sub":"u"}}', timezone('utc', now()) + interval '1 hour'
    FROM generate_series(1, ${count}) AS n`)
  return db
}

test('A reader that closes the pipe ends the command without a word', async (t) => {
  const { url } = await sessions(t, 20_000)
  const child = spawn(process.execPath, [...args, 'sessions', 'list', '--limit', '20000', '--json'], {
    env: { ...process.env, DATABASE_URL: url }, stdio: ['ignore', 'pipe', 'pipe']
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  child.stdout.once('data', () => { child.stdout.destroy() })

  const [code] = await once(child, 'close') as [number]

  t.equal(stderr, '')
  t.equal(code, 0)
})

test('SIGINT stops between two batches', async (t) => {
  const db = await sessions(t, 12_000)
  const blocker = new pg.Client({ connectionString: db.directUrl })
  await blocker.connect()
  t.teardown(() => blocker.end())
  // In the second batch of 5,000.
  await blocker.query('BEGIN')
  await blocker.query(`SELECT FROM session
    WHERE sid = (SELECT sid FROM session ORDER BY sid OFFSET 7000 LIMIT 1) FOR UPDATE`)
  const command = start(t, process.execPath, [...args, 'sessions', 'clear', '--yes'], {
    env: { ...process.env, DATABASE_URL: db.url }
  })
  for (;;) {
    const [row] = await db.query('SELECT count(*)::int AS count FROM session')
    if (row?.['count'] === 7000) break
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }

  command.child.kill('SIGINT')
  await blocker.query('ROLLBACK')

  t.equal(await command.ended, 1)
  t.equal(command.stderr(), 'error: interrupted: 10,000 rows removed, and there may be more\n')
  t.same(await db.query('SELECT count(*)::int AS count FROM session'), [{ count: 2000 }])
})

/** A command that waits for a lock of `statement`. */
async function waiting (t: Test, statement: string, ...command: string[]) {
  const db = await sessions(t, 10)
  const blocker = new pg.Client({ connectionString: db.directUrl })
  await blocker.connect()
  t.teardown(() => blocker.end())
  await blocker.query('BEGIN')
  await blocker.query(statement)
  const started = start(t, process.execPath, [...args, ...command], { env: { ...process.env, DATABASE_URL: db.url } })
  await until(async () => (await db.query('SELECT FROM pg_locks WHERE NOT granted')).length > 0)
  return started
}

for (const first of ['SIGINT', 'SIGTERM'] as const) {
  test(`After ${first}, a second signal ends a command whose batch does not end`, async (t) => {
    const command = await waiting(t, 'SELECT FROM session FOR UPDATE', 'sessions', 'clear', '--yes')

    command.child.kill(first)
    t.equal(await Promise.race([command.ended, sleep(500, 'working')]), 'working')
    command.child.kill('SIGINT')

    t.equal(await Promise.race([command.ended, sleep(10_000, 'working', { ref: false })]), 130)
  })
}

test('SIGINT ends a command that only reads at once', async (t) => {
  const command = await waiting(t, 'LOCK TABLE session', 'sessions', 'list')

  command.child.kill('SIGINT')

  t.equal(await command.ended, 1)
  t.equal(command.stderr(), 'error: interrupted\n')
})

test('The version and the help need no variable', async (t) => {
  t.match(await cli(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
  for (const group of [[], ['sessions'], ['keys'], ['data'], ['sessions', 'revoke']]) {
    t.match(await cli([...group, '--help']), { code: 0, stdout: /^Usage: cashsouk-auth/, stderr: '' })
  }
  t.match(await cli([]), { code: 0, stdout: /^Usage: cashsouk-auth/ })
  t.match(await cli(['sessions']), { code: 0, stdout: /^Usage: cashsouk-auth sessions/ })
})

test('A wrong command or option is one line on stderr', async (t) => {
  for (const wrong of [['sessions', 'lst'], ['sessions', 'list', '--usr', 'x'], ['what'], ['data', 'export']]) {
    t.match(await cli(wrong), { code: 1, stdout: '', stderr: /^error: [^\n]+\n$/ }, wrong.join(' '))
  }
})

test('A progress bar is drawn on a terminal that can, and nowhere else', async (t) => {
  const drawn = async (env: NodeJS.ProcessEnv, isTTY: boolean): Promise<string> => {
    const stderr = Object.assign(new PassThrough(), { isTTY })
    const bar = progress({
      stdin: new PassThrough(), stdout: new PassThrough(), stderr, env, interrupted: new AbortController().signal
    }, 'Working', 200)
    await new Promise((resolve) => { setTimeout(resolve, 520) })
    bar.at(50)
    bar.end()
    return String(stderr.read() ?? '')
  }

  t.match(
    await drawn({ NO_COLOR: '1' }, true),
    /^\r\u001b\[KWorking \[#{8}\.{22}\] 25 % \(50 of 200, \d s left\)\r\u001b\[K$/
  )
  t.equal(await drawn({ TERM: 'dumb' }, true), '')
  t.equal(await drawn({}, false), '')
})

test('The schema is what the store creates', async (t) => {
  const [ours, theirs] = [await database(t), await database(t)]
  const { stdout, code } = await cli(['schema'])
  t.equal(code, 0)
  await ours.query(stdout)
  await ours.query(stdout)
  const store = new PgSessionStore({ conString: theirs.url, pruneSessionInterval: false, events: {} })
  await store.createTable()
  await store.close()
  await theirs.query(CREATE_TABLE)

  const shape = `SELECT a.attrelid::regclass::text AS table, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
      a.attnotnull, c.reloptions, c.relpersistence, pg_get_expr(d.adbin, d.adrelid) AS expression
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relname IN ('session', 'auth_event', 'auth_rate_limit') AND a.attnum > 0 ORDER BY 1, a.attnum`
  const indexes = 'SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema ORDER BY 1'
  t.same(await ours.query(shape), await theirs.query(shape))
  t.same(await ours.query(indexes), await theirs.query(indexes))
  t.same((await cli(['schema', '--json'])).json(), { sql: stdout })
})
