import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { t as file, test, type Test } from 'tap'
import { browser, signIn } from '../support/browser.js'
import { operator, type Operator } from '../support/operator.js'
import { rootUrl } from '../support/root.js'
import { until } from '../support/until.js'

const page = await readFile(new URL('docs/operations.md', rootUrl), 'utf8')
const section = (heading: string): string => {
  const [, rest = ''] = page.split(`\n${heading}\n`)
  return rest.split(/^#+ /m)[0] ?? ''
}

interface Line { text: string, command: string, expected: string }

/** The ten lines: **symptom**, `command` → `output`, meaning. */
const lines: Line[] = section('## At 3 a.m.').split(/^\d+\. /m).slice(1).map((item) => {
  const text = (item.split('\n\n')[0] ?? '').replaceAll(/\n\s+/g, ' ')
  const match = /^\*\*.*?\*\* `([^`]+)`[^→]* → (?:`([^`]+)`|nothing)/.exec(text)
  return { text, command: match?.[1] ?? '', expected: match?.[2] ?? '' }
})
/** Compose's own list of containers needs a Docker engine. */
const needsEngine = ({ command }: Line) => / ps /.test(command)

/** The line with `part` in its command. */
function lineOf (part: string): Line {
  const found = lines.filter(({ command }) => command.includes(part))
  if (found.length !== 1) throw new Error(`${found.length} lines have ${part}`)
  return found[0] as Line
}

/** Runs a line's command until it prints `part`, which the line has to mention. The log is a moment late. */
async function prints (t: Test, { run }: Operator, line: Line, part: string, env?: Record<string, string>) {
  await until(async () => (await run(line.command, env)).includes(part))
  t.ok(line.text.includes(`\`${part}\``), `${part} is explained`)
}

const signedIn = async ({ origin }: Operator) => {
  const { answer } = await signIn(browser(), origin, { role: 'INVESTOR' })
  return answer
}

const withPassword = ({ env }: Pick<Operator, 'env'>) =>
  Object.assign(new URL(env.DATABASE_URL), { password: encodeURIComponent(env.PGPASSWORD) }).href

/** A statement that has waited for `lock_timeout`. */
const LOCKED = { code: '55P03' }

/** For the tests that leave everything as it is. */
let shared: Promise<Operator> | undefined
const bystander = () => (shared ??= operator(file))

test('The page for 3 a.m. has ten lines with a command and what it prints', (t) => {
  t.equal(lines.length, 10)
  for (const { text, command } of lines) t.not(command, '', text)
  t.same(lines.filter(({ expected }) => expected === '').map(({ command }) => / jq /.test(command)), [true])
  t.end()
})

test('The customer\'s commands are on the page, word for word', (t) => {
  for (const command of [
    'docker-compose -f docker-compose.prod.yml up -d',
    'docker-compose -f docker-compose.prod.yml ps api',
    'docker-compose -f docker-compose.prod.yml logs api | grep -i session',
    'docker-compose ps db',
    'docker-compose logs db',
    'docker-compose exec api psql $DATABASE_URL -c "SELECT 1"',
    'docker-compose logs -f api | grep "Token exchange"'
  ]) t.ok(lines.some(({ text }) => text.includes(`\`${command}\``)), command)
  t.end()
})

test('Each line prints what the page says while all is well', async (t) => {
  const there = await bystander()
  const answer = await signedIn(there)
  await there.server.seen(/"Token exchange"[^]*"msg":"Request"/)

  for (const line of lines.filter((each) => !needsEngine(each))) {
    const id = /"reqId":"([^"]+)"[^\n]*"Token exchange"/.exec(there.server.stdout())?.[1] ?? ''
    const output = await there.run(line.command.replace('<id>', id))
    if (line.expected === '') t.equal(output, '', line.command)
    else t.ok(output.includes(line.expected), `${line.command}\n${output}`)
  }
  t.equal(answer.status, 303)
})

test('One command tells whether it is this server, the database or Cognito', async (t) => {
  const there = await operator(t)
  const [, hurry = ''] = /\*\*In a hurry\*\*([^]*?)\n\n/.exec(section('## At 3 a.m.')) ?? []
  const [, command = ''] = /`(docker-compose [^`]*)`/.exec(hurry) ?? []
  const failures = async () =>
    [...(await there.run(command)).matchAll(/^fail +([a-z]+(?: [a-z]+)?)/gm)].map(([, name]) => String(name))
  t.match(await there.run(command), /^ok +database/m)
  t.same(await failures(), [])

  there.pool.fault({ token: 'invalid_client' })
  t.same(await failures(), ['client secret'])
  t.match(hurry, /`client secret`:\nCognito/)
  there.pool.fault(undefined)

  await there.postgres.stop()
  t.same(await failures(), ['database'])
  t.notMatch(hurry, '`database`')
})

test('SELECT 1 works with DATABASE_URL in the shell, without it, and expanded in the container', async (t) => {
  const { run, env } = await bystander()
  const { command } = lineOf('SELECT 1')
  const external = withPassword({ env })
  const inside = /^docker-compose exec api sh -c .*$/m.exec(section('## At 3 a.m.'))?.[0] ?? ''

  t.match(await run(command, { DATABASE_URL: external }), /\(1 row\)/)
  t.match(await run(command), /\(1 row\)/)
  t.match(await run(inside), /\(1 row\)/)
  t.match(await run('docker-compose exec api psql -Atc "SHOW timezone"'), /^UTC$/m)
})

test('An outage of the database is seen as one', async (t) => {
  const there = await operator(t)
  const wrong = Object.assign(new URL(there.env.DATABASE_URL), { password: 'wrong' }).href
  await prints(t, there, lineOf('SELECT 1'), 'password authentication failed', { DATABASE_URL: wrong })
  const nowhere = Object.assign(new URL(there.env.DATABASE_URL), { hostname: 'nowhere.invalid' }).href
  await prints(t, there, lineOf('SELECT 1'), 'could not translate host name', { DATABASE_URL: nowhere })

  await there.postgres.stop()

  await prints(t, there, lineOf('/health/ready'), 'ERR_DATABASE')
  await prints(t, there, lineOf('SELECT 1'), 'Connection refused')
  t.match(await there.run(lineOf('jq -rR').command), /^ +\d+ ERR_DATABASE \S/)
  t.match(await there.run(lineOf('/health/live').command), /\{"status":"ok"\}/)
})

test('A lock that stops the server is seen, with the process that holds it', async (t) => {
  const there = await bystander()
  const client = async () => {
    const connected = new pg.Client({ connectionString: withPassword(there), application_name: 'cashsouk-auth' })
    connected.on('error', () => {})
    await connected.connect()
    t.teardown(() => connected.end().catch(() => {}))
    return connected
  }
  const [holder, waiter] = [await client(), await client()]
  let isHeld = true
  // One request after the other. None of them waits for a second, as few do with the role's own 1.5 s.
  const requests = async () => {
    await waiter.query('SET lock_timeout = 900')
    while (isHeld) {
      await waiter.query('SELECT count(*) FROM session').catch((error: unknown) => { t.match(error, LOCKED) })
    }
  }
  await holder.query('SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE session')
  const { rows: [{ pid } = { pid: 0 }] } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const waiting = requests()
  const line = lineOf('pg_blocking_pids')

  const runs = [await there.run(line.command), await there.run(line.command), await there.run(line.command)]
  t.ok(runs.some((output) => output.includes(`{${pid}}`)), 'seen in one of three runs')
  t.match(line.text, /three times/)
  t.match(line.text, /`waits_for`/)
  const [, end = ''] = /`(SELECT pg_terminate_backend\(…\))`/.exec(line.text) ?? []
  await there.run(`docker-compose exec api psql -c "${end.replace('…', String(pid))}"`)

  isHeld = false
  await waiting
  t.match(await there.run(line.command), /\(0 rows\)/)
})

test('Sign-ins that fail at Cognito are told from those that fail by its settings', async (t) => {
  const there = await operator(t)
  for (const [fault, code] of [
    [{ token: 500 }, 'ERR_COGNITO_ANSWER'],
    [{ token: 'hang' }, 'ERR_COGNITO_TIMEOUT'],
    [{ token: 'invalid_grant' }, 'ERR_LOGIN_REFUSED']
  ] as const) {
    there.pool.fault(fault)
    await signedIn(there)
    await prints(t, there, lineOf('Token exchange'), code)
  }
  there.pool.fault({ idToken: 'foreign-key' })
  await signedIn(there)
  const [, command = ''] = /`(docker-compose [^`]*ERR_ID_TOKEN)`/.exec(lineOf('Token exchange').text) ?? []
  await until(async () => /"cause":"JwtInvalidSignatureError"/.test(await there.run(command)))
  t.match(await there.run(lineOf('jq -rR').command), /^ +1 ERR_COGNITO_ANSWER [\s\S]* 1 ERR_COGNITO_TIMEOUT /m)
})

test('A request id leads to the code and the cause', async (t) => {
  const there = await bystander()
  there.pool.fault({ token: 500 })
  const { text } = await signedIn(there)
  there.pool.fault(undefined)
  const id = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/.exec(text)?.[0] ?? ''

  const command = lineOf('.reqId ==').command.replace('<id>', id)
  await until(async () => (await there.run(command)).includes('"msg":"Request"'))

  t.match(await there.run(command), /"code":"ERR_COGNITO_ANSWER".*"msg":"Request failed"/)
})

test('A server that stops, or has stopped, is seen as such', async (t) => {
  const there = await operator(t)
  const stopped = there.server.stop()
  await there.server.seen(/"Draining"/)
  await prints(t, there, lineOf('/health/ready'), 'ERR_DRAINING')
  await stopped
  await prints(t, there, lineOf('/health/live'), 'Failed to connect')
})

test('A server that starts without its database says so', async (t) => {
  const there = await operator(t, { isDown: true })

  await prints(t, there, lineOf('grep -i session'), 'Could not check the session table')
})
