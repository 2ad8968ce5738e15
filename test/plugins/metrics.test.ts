import { channel } from 'node:diagnostics_channel'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import pg from 'pg'
import { Registry } from 'prom-client'
import { test, type Test } from 'tap'
import auth from '../../index.js'
import { freePort } from '../../local/free-port.js'
import { browser, reachCallback, signIn } from '../support/browser.js'
import { embedded } from '../support/embedded.js'
import { metricsPort, scrape, type Scrape } from '../support/metrics.js'
import { rootUrl } from '../support/root.js'
import { instance, isEmbedded, server, sharedServer, type Setup } from '../support/server.js'
import { until } from '../support/until.js'

const manual = { redirect: 'manual' } as const
const started = (t: Test, overrides: Record<string, string> = {}) => server(t, { METRICS_PORT: '0', ...overrides })

test('GET /metrics is served on METRICS_PORT alone, and nothing else is served there', async (t) => {
  const { url, log } = await started(t)
  const own = `http://127.0.0.1:${metricsPort(log)}`

  t.equal((await fetch(`${url}/metrics`)).status, 404)
  const page = await fetch(`${own}/metrics`)
  t.equal(page.status, 200)
  t.match(page.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  for (const path of ['/', '/health', '/api/auth/me', '/metrics/', '/%6detrics']) {
    t.equal((await fetch(own + path)).status, 404, path)
  }
  t.equal((await fetch(`${own}/metrics`, { method: 'POST', body: 'x' })).status, 405)
  t.equal((await fetch(`${own}/metrics?name=x`)).status, 200)
})

test('A scraper that sends nothing is dropped', async (t) => {
  const { log } = await started(t)
  const socket = connect(metricsPort(log), '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.write('GET /metrics HTTP/1.1\r\n')
  const closed = new Promise((resolve) => { socket.once('close', resolve).resume() })
  const outcome = await Promise.race([closed.then(() => 'closed'), sleep(15_000, 'open', { ref: false })])
  t.equal(outcome, 'closed')
})

test('METRICS_PORT closes with the server', async (t) => {
  const { fastify, log } = await started(t)
  const port = metricsPort(log)
  await fastify.close()
  await t.rejects(fetch(`http://127.0.0.1:${port}/metrics`))
})

test('A METRICS_PORT that is in use fails the start, and names it', async (t) => {
  const { env, log } = await started(t)
  const port = String(metricsPort(log))
  const starting = instance(t, { ...env, PORT: String(await freePort()), METRICS_PORT: port })
  await t.rejects(starting, { code: 'ERR_CONFIG', message: new RegExp(`METRICS_PORT ${port} is in use`) })
})

test('A server without METRICS_PORT has no metrics', async (t) => {
  const { log } = await sharedServer()
  t.throws(() => metricsPort(log))
})

test('Logins are counted by outcome and reason, with their duration', async (t) => {
  const setup = await started(t)
  const { url, log, cognito } = setup
  const user = browser()
  await signIn(user, url)
  await user.get(`${url}/api/auth/callback?state=unknown&code=x`, manual)
  await user.get(`${url}/api/auth/login?role=NONE`, manual)
  const late = browser()
  const { callbackUrl } = await reachCallback(late, url)
  cognito.fault({ token: 503 })
  await late.get(callbackUrl, manual)

  const found = await scrape(log)
  const logins = (outcome: string, reason: string) =>
    found.sum('cashsouk_auth_logins_total', `outcome="${outcome}"`, `reason="${reason}"`)
  t.equal(logins('success', 'none'), 1)
  t.equal(logins('refused', 'ERR_STATE_UNKNOWN'), 1)
  t.equal(logins('failed', 'ERR_COGNITO_ANSWER'), 1)
  t.equal(logins('refused', 'ERR_ROLE_UNKNOWN'), 1)
  t.equal(found.sum('cashsouk_auth_logins_started_total'), 2)
  t.equal(found.sum('cashsouk_auth_login_duration_seconds_count'), 1)
  const seconds = found.sum('cashsouk_auth_login_duration_seconds_sum') ?? -1
  t.ok(seconds > 0 && seconds < 60, String(seconds))
})

test('Labels hold no id, no address and no path that was asked for', async (t) => {
  const { url, log } = await started(t)
  const user = browser()
  await signIn(user, url)
  const { text } = await user.get(`${url}/api/auth/sessions`)
  const [{ id }] = JSON.parse(text) as [{ id: string }]
  await user.send('DELETE', `${url}/api/auth/sessions/${id}`, { headers: { origin: url } })
  for (let i = 0; i < 50; i++) await user.get(`${url}/nowhere/${i}`)
  const found = await scrape(log)
  t.notMatch(found.text, new RegExp(id))
  t.notMatch(found.text, /nowhere|@|127\.0\.0\.1|[0-9a-f]{8}-[0-9a-f]{4}/)
  t.equal(found.sum('cashsouk_auth_http_requests_total', 'route="/api/auth/sessions/:id"', 'status="204"'), 1)
  // An application's own requests are not counted.
  const unknown = isEmbedded ? undefined : 50
  t.equal(found.sum('cashsouk_auth_http_requests_total', 'route="unknown"'), unknown)
  t.equal(found.sum('cashsouk_auth_sessions_ended_total', 'reason="signed_out"'), 1)
})

test('Names follow the rules of Prometheus', async (t) => {
  const { log } = await started(t)
  const { types, text } = await scrape(log)
  for (const [name, type] of types) {
    if (!name.startsWith('cashsouk_auth_')) continue
    if (type === 'counter') t.match(name, /_total$/)
    else t.notMatch(name, /_total$/)
    t.notMatch(name, /_(ms|milliseconds|minutes|kb|percent)(_|$)/)
    t.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'))
  }
})

test('One instance of two looks at the table', async (t) => {
  const first = await started(t, { SESSION_PRUNE_INTERVAL: '1' })
  const second = await instance(t, { ...first.env, PORT: String(await freePort()) })
  const values = async () => (await Promise.all([first.log, second.log].map(scrape)))
    .map((found) => found.sum('cashsouk_auth_live_rows'))
  await signIn(browser(), first.url)
  await until(async () => (await values()).some((rows) => rows !== undefined && rows > 0))
  for (let i = 0; i < 20; i++) {
    const found = await values()
    t.ok(found.filter((rows) => rows !== undefined).length <= 1, JSON.stringify(found))
    await sleep(100)
  }
  const [here] = await values()
  // The other takes over once the first is closed.
  const [closing, staying] = here === undefined ? [second.fastify, first.log] : [first.fastify, second.log]
  await closing.close()
  await until(async () => (await scrape(staying)).sum('cashsouk_auth_live_rows') !== undefined)
})

test('An application hands in its own registry', async (t) => {
  const register = new Registry()
  const { url } = await embedded(t, {
    options: { metrics: { register } },
    build: async (app, options) => {
      await app.register(auth, options)
      app.get('/own', async () => 'own')
    }
  })
  await fetch(`${url}/own`)
  await signIn(browser(), url)
  const text = await register.metrics()
  t.match(text, /cashsouk_auth_logins_total\{outcome="success",reason="none"\} 1/)
  t.notMatch(text, /process_cpu|route="\/own"/)
})

for (const metrics of [null, {}, { register: {} }, true]) {
  test(`The option metrics: ${JSON.stringify(metrics)} is refused`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const registering = app.register(auth, { metrics } as never)
    await t.rejects(async () => registering, { code: 'ERR_CONFIG', message: /metrics must be/ })
  })
}

/** The names of series in PromQL. */
const namesIn = (text: string): string[] =>
  [...new Set(text.match(/\b(cashsouk_auth|nodejs|process)_[a-z0-9_]+/g))].toSorted()

/** Constant while a server runs. */
const CONSTANT = ['cashsouk_auth_build_info', 'cashsouk_auth_pool_max_connections']

test('Each metric of the dashboard and of the alerts is there, and moves in a running server', async (t) => {
  const texts = await Promise.all(['deploy/grafana/dashboard.json', 'deploy/prometheus/alerts.yml']
    .map((path) => readFile(new URL(path, rootUrl), 'utf8')))
  const names = namesIn(texts.join('\n'))
  t.ok(names.length > 25)
  const setup = await started(t, { DATABASE_POOL_MAX: '1', SESSION_PRUNE_INTERVAL: '1' })
  const scrapes = [await scrape(setup.log)]
  await exercise(t, setup, async () => {
    const found = await scrape(setup.log)
    scrapes.push(found)
    return found
  })

  for (const name of names) {
    const states = new Set(scrapes.map((found) => found.state(name)))
    t.not(states.has('[]') && states.size === 1, true, `${name} is there`)
    if (CONSTANT.includes(name)) t.equal(states.size, 1, `${name} is constant`)
    else t.ok(states.size > 1, `${name} moves`)
  }
  const all = scrapes.at(-1) as Scrape
  const undocumented = [...all.types.keys()].filter((name) => name.startsWith('cashsouk_auth_'))
  const page = await readFile(new URL('docs/metrics.md', rootUrl), 'utf8')
  t.same(undocumented.filter((name) => !page.includes(`\`${name}\``)), [], 'docs/metrics.md has every metric')
})

/** Everything that a metric counts. */
async function exercise (t: Test, setup: Setup, look: () => Promise<Scrape>): Promise<void> {
  const { url, database, cognito, fastify } = setup
  const user = browser()
  await signIn(user, url)
  await user.get(`${url}/api/auth/me`)
  await user.get(`${url}/api/auth/callback?state=unknown&code=x`, manual)
  cognito.fault({ token: 503 })
  await user.get((await reachCallback(user, url)).callbackUrl, manual)
  cognito.fault(undefined)
  await look()

  const store = fastify.cashsoukAuth.sessionStore
  await store.promises.set('merged', { cookie: {}, n: 1 })
  const [one, other] = await Promise.all([store.promises.get('merged'), store.promises.get('merged')])
  await store.promises.set('merged', Object.assign(one ?? {}, { n: 2 }))
  await store.promises.set('merged', Object.assign(other ?? {}, { n: 3 }))
  await database.query(`
    UPDATE session
    SET expire = timezone('utc', now()) - interval '90 seconds'
    WHERE sess->'n' IS NOT NULL`)
  await look()

  // Pruning skips a locked row.
  const locker = new pg.Client(database.url)
  await locker.connect()
  t.teardown(() => locker.end())
  await locker.query(`INSERT INTO session VALUES ('locked', '{"n":1}', timezone('utc', now()) + interval '2 seconds')`)
  await locker.query('BEGIN')
  await locker.query('SELECT FROM session WHERE sid = \'locked\' FOR UPDATE')
  await database.query(`
    INSERT INTO session
    SELECT 'many ' || n, '{"n":1}'::json, timezone('utc', now()) + interval '1 hour'
    FROM generate_series(1, 10001) AS n`)
  const seen = async (name: string) => ((await look()).sum(`cashsouk_auth_${name}`) ?? 0) > 0
  await until(async () => await seen('live_rows_estimated') && await seen('prune_lag_seconds'))
  await locker.query('COMMIT')
  await database.query('DELETE FROM session WHERE sid LIKE \'many %\'')

  // A lock holds up the only connection: calls wait in the queue, and statements for the connection.
  const holder = new pg.Client(database.url)
  await holder.connect()
  t.teardown(() => holder.end())
  await holder.query('BEGIN')
  await holder.query('LOCK TABLE session IN ACCESS EXCLUSIVE MODE')
  const waiting = [store.sample().then(() => {}, () => {})]
  // Up to four batches go out while the first ones are slow.
  for (let wave = 0; wave < 8; wave++) {
    for (let i = 0; i < 5; i++) waiting.push(user.get(`${url}/api/auth/me`).then(() => {}, () => {}))
    await sleep(70)
  }
  await look()
  await holder.query('COMMIT')
  await Promise.all(waiting)
  await look()
  await user.post(`${url}/api/auth/logout`, {}, { headers: { origin: url }, redirect: 'manual' })
  await until(async () => {
    await look()
    const [row] = await database.query('SELECT count(*)::int AS n FROM session WHERE sess->\'n\' IS NOT NULL')
    return (row as { n: number }).n === 0
  })
  await sleep(1200)
  await look()
}

test('What happens with devices is counted by outcome', async (t) => {
  const setup = await started(t)
  const name = 'cashsouk_auth_device_events_total'
  const before = (await scrape(setup.log)).state(name)

  channel('cashsouk-auth:device').publish({ outcome: 'copied' })

  t.not((await scrape(setup.log)).state(name), before)
  t.match(before, /registered.*refused.*refreshed.*missing.*copied/)
})
