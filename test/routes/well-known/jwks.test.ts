import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { test } from 'tap'
import { freePort } from '../../../local/free-port.js'
import { ERR_DATABASE } from '../../../src/errors.js'
import { innerOf } from '../../../plugins/host.js'
import { instance, poolOf, server, sharedServer } from '../../support/server.js'

const PATH = '/.well-known/jwks.json'

const keySet = async (origin: string): Promise<JSONWebKeySet> =>
  await (await fetch(origin + PATH)).json() as JSONWebKeySet

const session = () => ({
  publicId: 'public id', user: { sub: 'alice' }, databaseNow: Date.now(), expiresAt: Date.now() + 900_000
})

test('GET /.well-known/jwks.json has public keys only, for five minutes, without a cookie', async (t) => {
  const { url } = await sharedServer()

  const response = await fetch(url + PATH, { headers: { cookie: 'cashsouk.sid=forged.signature' } })

  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^application\/json/)
  t.equal(response.headers.get('cache-control'), 'public, max-age=300')
  t.equal(response.headers.get('set-cookie'), null)
  const { keys } = await response.json() as { keys: Record<string, string>[] }
  t.equal(keys.length, 1)
  t.same(Object.keys(keys[0] ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  t.match(keys[0], { alg: 'ES256', crv: 'P-256', kty: 'EC', use: 'sig' })
})

test('The keys of one instance verify the assertions of another', async (t) => {
  const { url, fastify, env } = await server(t)
  const port = await freePort()
  const { fastify: other } = await instance(t, { ...env, PORT: String(port) })

  const sets = await Promise.all([keySet(url), keySet(`http://localhost:${port}`)])

  t.same(sets[0], sets[1])
  for (const signing of [fastify, other]) {
    const assertion = await innerOf(signing).assertions.of(session())
    for (const set of sets) {
      await t.resolves(jwtVerify(assertion, createLocalJWKSet(set), { issuer: env.PUBLIC_URL ?? '', audience: url }))
    }
  }
})

test('The key set is answered from memory while the database is away, and 503 before there was one', async (t) => {
  const { url, fastify, env } = await server(t)
  const before = await keySet(url)
  const port = await freePort()
  const { fastify: started } = await instance(t, { ...env, PORT: String(port) })
  for (const { cashsoukAuth: { sessionStore } } of [fastify, started]) {
    t.intercept(sessionStore, 'sharedValue', { value: async () => { throw new ERR_DATABASE() } })
  }
  const now = performance.now.bind(performance)
  t.intercept(performance, 'now', { value: () => now() + 600_000 })

  t.same(await keySet(url), before)

  const response = await fetch(`http://localhost:${port}${PATH}`)
  t.equal(response.status, 503)
  t.equal(response.headers.get('cache-control'), 'no-store', 'no cache keeps the error')
  t.match(await response.json(), { code: 'ERR_DATABASE' })
})

test('Nothing is made or read before the first use', async (t) => {
  const { url, database, fastify } = await server(t)
  await fetch(`${url}/api/auth/me`)
  t.same(await database.query('SELECT * FROM session'), [])

  await keySet(url)
  let queries = 0
  poolOf(fastify).on('acquire', () => { queries++ })
  for (let i = 0; i < 20; i++) await keySet(url)
  t.equal(queries, 0)
})

test('After TRUNCATE, an instance goes on with its key, and one that starts gets it', async (t) => {
  const { url, database, env } = await server(t)
  const before = await keySet(url)
  await database.query('TRUNCATE "session"')
  const now = performance.now.bind(performance)
  t.intercept(performance, 'now', { value: () => now() + 61_000 })

  t.same(await keySet(url), before)

  const port = await freePort()
  await instance(t, { ...env, PORT: String(port) })
  t.same(await keySet(`http://localhost:${port}`), before)
})

test('The log names a new key, and a row that was altered, but no secret', async (t) => {
  const { url, database, log } = await server(t)
  const { keys: [key] } = await keySet(url)
  await database.query('UPDATE session SET sess = \'{"shared":"nonsense"}\'')
  const now = performance.now.bind(performance)
  t.intercept(performance, 'now', { value: () => now() + 61_000 })
  await keySet(url)

  const lines = log.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(lines.find(({ msg }) => msg === 'A key for assertions was made'), { level: 30, kid: key?.kid })
  const lost = 'The keys of assertions were missing or altered in the database, and were written again'
  t.match(lines.find(({ msg }) => msg === lost), { level: 40 })
  const [row] = await database.query('SELECT sess ->> \'shared\' AS shared FROM session')
  t.notOk(log.some((line) => line.includes(String(row?.shared))))
})
