import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import rateLimit from '../../plugins/rate-limit.js'
import { browser } from '../support/browser.js'
import { instance, server } from '../support/server.js'

async function build (t: Test, LOGIN_RATE_LIMIT: number) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const config = { LOGIN_RATE_LIMIT }
  await fastify.register(fp(async (app) => { app.decorate('config', config as never) }, { name: 'config' }))
  // Down: each instance counts for itself.
  const pool = { connect: async () => { throw new Error('down') } }
  await fastify.register(fp(async (app) => { app.decorate('pg', { pool } as never) }, { name: 'postgres' }))
  await fastify.register(rateLimit)
  fastify.get('/login', { config: { rateLimit: { max: LOGIN_RATE_LIMIT, timeWindow: 60_000 } } }, async () => 'done')
  fastify.get('/other', async () => 'done')
  /** The statuses of logins from these addresses, in their order. */
  const statuses = async (...addresses: string[]) => {
    const found: number[] = []
    for (const remoteAddress of addresses) {
      const { statusCode } = await fastify.inject({ url: '/login', remoteAddress })
      found.push(statusCode)
    }
    return found
  }
  return { fastify, statuses }
}

test('one address may start LOGIN_RATE_LIMIT logins per minute', async (t) => {
  const { statuses } = await build(t, 3)
  t.same(await statuses(...Array.from({ length: 5 }, () => '192.0.2.1')), [200, 200, 200, 429, 429])
})

test('every address is counted separately', async (t) => {
  const { statuses } = await build(t, 1)
  t.same(await statuses('192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2', '192.0.2.3'), [200, 200, 429, 429, 200])
})

test('the addresses of an IPv6 /64 share one count', async (t) => {
  const { statuses } = await build(t, 2)
  t.same(await statuses('2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2:a:b:c:d'), [200, 200, 429])
  t.same(await statuses('2001:db8:1:3::1', '2001:db8:2:2::1'), [200, 200], 'another /64 is another customer')
  const written = await statuses('fe80::1%eth0', 'fe80::2%eth0', '0:0:0:0::1', '::2', '::1:2')
  t.same(written, [200, 200, 200, 200, 429], 'with a zone, and in other notations')
})

test('an IPv4-mapped IPv6 address counts as the IPv4 address', async (t) => {
  const { statuses } = await build(t, 1)
  t.same(await statuses('::ffff:192.0.2.1', '192.0.2.1', '::ffff:192.0.2.2'), [200, 429, 200])
})

test('a login beyond the limit answers 429 with the time to wait', async (t) => {
  const { fastify, statuses } = await build(t, 1)
  await statuses('192.0.2.1')

  const reply = await fastify.inject({ url: '/login', remoteAddress: '192.0.2.1' })

  t.equal(reply.statusCode, 429)
  const { code, message, ...others } = reply.json<{ code: string, message: string }>()
  t.equal(code, 'ERR_RATE_LIMIT')
  const [, seconds = ''] = /^Too many sign-ins\. Try again in (\d+) seconds$/.exec(message) ?? []
  t.ok(Number(seconds) > 0 && Number(seconds) <= 60, message)
  t.match(others, { statusCode: 429 })
  t.ok(Number(reply.headers['retry-after']) > 0 && Number(reply.headers['retry-after']) <= 60)
})

test('the headers of a client do not change its count', async (t) => {
  const { fastify } = await build(t, 1)
  const statuses: number[] = []
  for (const value of ['203.0.113.1', '203.0.113.2']) {
    const headers = {
      'x-forwarded-for': value,
      'forwarded': `for=${value}`,
      'x-real-ip': value,
      'user-agent': value,
      'cookie': `sid=${value}`
    }
    const { statusCode } = await fastify.inject({ url: '/login', remoteAddress: '192.0.2.1', headers })
    statuses.push(statusCode)
  }
  t.same(statuses, [200, 429])
})

test('routes without a limit have none', async (t) => {
  const { fastify } = await build(t, 1)
  for (let i = 0; i < 5; i++) {
    const { statusCode } = await fastify.inject({ url: '/other', remoteAddress: '192.0.2.1' })
    t.equal(statusCode, 200)
  }
})

test('a limit of 0 disables it', async (t) => {
  const { statuses, fastify } = await build(t, 0)
  t.same(new Set(await statuses(...Array.from({ length: 200 }, () => '192.0.2.1'))), new Set([200]))
  const { headers } = await fastify.inject('/login')
  t.same(Object.keys(headers).filter((name) => name.startsWith('x-ratelimit')), [])
})

test('Instances count the logins of an address together', async (t) => {
  const { url, env } = await server(t, { LOGIN_RATE_LIMIT: '20' })
  const port = await freePort()
  await instance(t, { ...env, PORT: String(port) })
  let allowed = 0
  for (let i = 0; i < 60; i++) {
    const origin = i % 2 === 0 ? url : `http://localhost:${port}`
    // At this host it would be sent to that of PUBLIC_URL first.
    const { status } = await browser().get(`${origin}/api/auth/login?canonical=1`, { redirect: 'manual' })
    if (status === 302) allowed++
  }
  t.ok(allowed >= 20 && allowed < 30, `${allowed} of 20`)
})

test('A login below the limit looks at no shared count', async (t) => {
  const { url, database } = await server(t, { LOGIN_RATE_LIMIT: '60' })
  for (let i = 0; i < 6; i++) {
    t.equal((await browser().get(`${url}/api/auth/login`, { redirect: 'manual' })).status, 302)
  }
  t.same(await database.query('SELECT to_regclass(\'auth_rate_limit\') AS table'), [{ table: null }])
})
