import type { PoolClient } from 'pg'
import { test } from 'tap'
import { gate } from '../../support/gate.js'
import { poolOf, server, sharedServer } from '../../support/server.js'

for (const path of ['/health', '/health/live', '/health/ready']) {
  test(`GET ${path} answers 200, without a row or a cookie`, async (t) => {
    const { url, database } = await sharedServer()

    const response = await fetch(url + path, { headers: { cookie: 'cashsouk.sid=forged.signature' } })

    t.match({ status: response.status, body: await response.json() }, { status: 200, body: { status: 'ok' } })
    t.equal(response.headers.get('set-cookie'), null)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.same(await database.query('SELECT * FROM session'), [])
  })
}

test('GET /health/live runs no query', async (t) => {
  const { url, fastify } = await server(t)
  let queries = 0
  poolOf(fastify).on('acquire', () => { queries++ })

  for (let i = 0; i < 20; i++) await fetch(`${url}/health/live`)

  t.equal(queries, 0)
})

test('concurrent GET /health/ready share one query', async (t) => {
  const { url, fastify } = await server(t)
  let queries = 0
  poolOf(fastify).on('acquire', () => { queries++ })
  const { passed, open } = gate()
  const pool = poolOf(fastify)
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>
  t.intercept(pool, 'connect', { value: () => passed.then(connect) })
  let probes = 0
  fastify.server.on('request', () => {
    if (++probes === 50) setImmediate(open)
  })

  const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/health/ready`)))

  t.ok(answers.every(({ status }) => status === 200))
  t.equal(queries, 1, `${queries} queries for 50 probes`)
})

test('While draining, the probes answer 503 and close the connection', async (t) => {
  const { url, fastify } = await server(t)

  fastify.cashsoukAuth.draining.start()

  for (const path of ['/health', '/health/live', '/health/ready']) {
    const response = await fetch(url + path)
    t.match(await response.json(), { statusCode: 503, code: 'ERR_DRAINING' })
    t.equal(response.headers.get('connection'), 'close')
  }
})
