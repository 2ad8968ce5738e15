import { channel } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { test, type Test } from 'tap'
import { loginBegun, providerCall, sessionEnded, sessionStarted } from '../../../src/channels.js'
import { ERR_COGNITO_ANSWER } from '../../../src/errors.js'
import { ServerMetrics } from '../../../src/metrics/index.js'
import { HttpMetrics } from '../../../src/metrics/http-metrics.js'
import { LoginMetrics } from '../../../src/metrics/login-metrics.js'
import { observeProvider } from '../../../src/metrics/provider-metrics.js'
import { observeStore, type StoreParts } from '../../../src/metrics/store-metrics.js'
import { TableSampler } from '../../../src/metrics/table-sampler.js'
import type { PgSessionStore } from '../../../src/sessions/index.js'
import { Subscriptions } from '../../../src/subscriptions.js'
import { Scrape } from '../../support/metrics.js'
import { until } from '../../support/until.js'

/** A registry, subscriptions that end with the test, and what a scraper would get. */
function registry (t: Test) {
  const [register, subscriptions] = [new Registry(), new Subscriptions()]
  t.teardown(() => { subscriptions.end() })
  const sum = async (name: string, ...labels: string[]) =>
    new Scrape(await register.metrics()).sum(`cashsouk_auth_${name}`, ...labels)
  return { register, subscriptions, sum }
}

const ROUTE = { route: '/api/auth/me', statusCode: 200 }

test('Requests are counted in seconds, and a bucket has those of the smaller ones', async (t) => {
  const { register, sum } = registry(t)
  const http = new HttpMetrics(register)
  for (const durationMs of [3, 20, 30, 9000]) http.answered({ method: 'GET', ...ROUTE, durationMs })

  for (let scrape = 0; scrape < 2; scrape++) t.equal(await sum('http_requests_total', 'status="200"'), 4)
  t.equal(await sum('http_request_duration_seconds_sum'), 9.053)
  t.equal(await sum('http_request_duration_seconds_count'), 4)
  for (const [le, count] of [['0.0025', 0], ['0.005', 1], ['0.025', 2], ['0.05', 3], ['5', 3], ['+Inf', 4]] as const) {
    t.equal(await sum('http_request_duration_seconds_bucket', `le="${le}"`), count, le)
  }
})

test('A client adds no methods to the labels', async (t) => {
  const { register, sum } = registry(t)
  const http = new HttpMetrics(register)
  for (const method of ['GET', 'PROPFIND', 'MKCOL']) http.answered({ method, ...ROUTE, durationMs: 1 })
  t.equal(await sum('http_requests_total', 'method="GET"'), 1)
  t.equal(await sum('http_requests_total', 'method="other"'), 2)
})

test('Calls to Cognito are counted in seconds, by the code of this server\'s error', async (t) => {
  const { register, subscriptions, sum } = registry(t)
  observeProvider(register, subscriptions)
  const call = { endpoint: 'token', startMs: 0, durationMs: 1500 } as const
  const foreign = Object.assign(new Error('x'), { code: 'ERR_OF_AN_APPLICATION' })
  for (const error of [undefined, new ERR_COGNITO_ANSWER(), foreign]) providerCall.publish({ ...call, error })

  t.equal(await sum('provider_call_duration_seconds_sum'), 4.5)
  for (const outcome of ['ok', 'ERR_COGNITO_ANSWER', 'other']) {
    t.equal(await sum('provider_calls_total', `outcome="${outcome}"`, 'endpoint="token"'), 1, outcome)
  }
})

test('Of several servers in a process, each counts its own sessions', async (t) => {
  const { register, subscriptions, sum } = registry(t)
  const [ours, theirs] = [{}, {}]
  const logins = new LoginMetrics(register, subscriptions, (scope) => scope === ours)
  for (const [scope, request] of [[ours, {}], [theirs, {}]] as const) {
    loginBegun.publish({ scope, request })
    sessionStarted.publish({ scope, request, isStepUp: true })
    sessionEnded.publish({ scope, reason: 'idle' })
    if (scope === ours) logins.answered('callback', request, 303)
  }
  t.equal(await sum('logins_started_total'), 1)
  t.equal(await sum('sessions_started_total', 'kind="step_up"'), 1)
  t.equal(await sum('sessions_started_total', 'kind="sign_in"'), 0)
  t.equal(await sum('sessions_ended_total', 'reason="idle"'), 1)
  t.equal(await sum('logins_total', 'outcome="success"'), 1)
})

test('Of several stores in a process, one is observed, with its pool', async (t) => {
  const { register, subscriptions, sum } = registry(t)
  const store = { workload: () => ({ waiting: 7, inFlight: 2 }) }
  const pool = { totalCount: 5, idleCount: 3, waitingCount: 4, options: { max: 9 } }
  observeStore(register, subscriptions, { store, pool } as unknown as StoreParts)
  const publish = (name: string, message: object) => {
    for (const of of [store, {}]) channel(`cashsouk-auth:store:${name}`).publish({ store: of, ...message })
  }
  publish('call', { call: 'get', durationMs: 250, error: undefined })
  publish('statement', { call: 'get', callers: [{}, {}, {}] })
  publish('unwritten', {})
  publish('merge', { isOverwritten: true })
  publish('prune', { removed: 12 })

  for (const [expected, name, ...labels] of [
    [1, 'store_calls_total', 'call="get"', 'outcome="ok"'], [0.25, 'store_call_duration_seconds_sum'],
    [3, 'store_batch_calls_sum'], [1, 'store_batch_calls_count'], [1, 'touches_skipped_total'],
    [1, 'session_conflicts_total', 'resolution="overwritten"'],
    [0, 'session_conflicts_total', 'resolution="merged"'], [12, 'rows_pruned_total'],
    [7, 'store_queue_calls'], [2, 'store_batches_in_flight'],
    [2, 'pool_connections', 'state="active"'], [3, 'pool_connections', 'state="idle"'],
    [9, 'pool_max_connections'], [4, 'pool_waiting']
  ] as const) t.equal(await sum(name, ...labels), expected, `${name} ${labels.join()}`)
})

test('A table that cannot be looked at has no values, which is told once until it can be again', async (t) => {
  const { register, sum } = registry(t)
  const failures: unknown[] = []
  let [isDown, turns, released] = [false, 0, 0]
  const store = {
    acquireLease: async () => {
      turns++
      if (isDown) throw new Error('down')
      return { acquired: true, release: async () => { released++ } }
    },
    sample: async () => ({ rows: 3, isEstimate: false, pruneLagMs: 1500 })
  }
  const sampler = new TableSampler(register, store as unknown as PgSessionStore, 10, (error) => failures.push(error))
  t.equal(await sum('live_rows'), undefined)
  sampler.start()
  const turn = async (count: number) => {
    const before = turns
    await until(() => turns >= before + count)
  }
  await turn(1)
  await sleep(1)
  t.equal(await sum('live_rows'), 3)
  t.equal(await sum('live_rows_estimated'), 0)
  t.equal(await sum('prune_lag_seconds'), 1.5)
  for (let outage = 1; outage <= 2; outage++) {
    isDown = true
    await turn(4)
    t.equal(await sum('live_rows'), undefined)
    t.match(failures, Array(outage).fill({ message: 'down' }))
    t.equal(failures.length, outage)
    isDown = false
    await turn(2)
  }
  await sampler.close()
  const [ended, given] = [turns, released]
  t.ok(given > 0)
  await sleep(50)
  t.equal(turns, ended)
})

test('A server that is closed listens to nothing more', async (t) => {
  const before = providerCall.hasSubscribers
  const metrics = new ServerMetrics(new Registry(), () => true)
  t.equal(providerCall.hasSubscribers, true)
  await metrics.close()
  t.equal(providerCall.hasSubscribers, before)
})
