import { inspect } from 'node:util'
import { t as file, test } from 'tap'
import { singleHosts } from '../../../src/sessions/hosts.js'
import { cuttingProxy } from '../../support/cutting-proxy.js'
import { silentHost, twoServers } from '../../support/two-servers.js'
import { session, sessions } from './harness.js'

let shared: ReturnType<typeof twoServers> | undefined

/** Two servers that no test stops: they take writes and have no table. */
async function sharedServers () {
  const found = await (shared ??= twoServers(file))
  for (const server of found.servers) {
    await server.readOnly(false)
    await server.query('DROP TABLE IF EXISTS session')
  }
  return found
}

/** Refuses connections. */
const CLOSED = '127.0.0.1:1'

test('a connection string with several hosts is one for each', (t) => {
  t.same(singleHosts('postgres://u:p@a:1,b,[::1]:2/db?sslmode=require'), [
    'postgres://u:p@a:1/db?sslmode=require',
    'postgres://u:p@b/db?sslmode=require',
    'postgres://u:p@[::1]:2/db?sslmode=require'
  ])
  t.same(singleHosts('postgres://u:p,w@/db?port=1,2&host=a,%2Ftmp'), [
    'postgres://u:p,w@/db?port=1&host=a', 'postgres://u:p,w@/db?port=2&host=%2Ftmp'
  ])
  t.same(singleHosts('postgres:///db?host=a,b&port=5'), [
    'postgres:///db?host=a&port=5', 'postgres:///db?host=b&port=5'
  ])
  for (const one of ['postgres://u:p,w@a/db?x=1,2', 'postgres:///db?host=/tmp', '/tmp db', 'socket:/tmp?db=db']) {
    t.same(singleHosts(one), [one])
  }
  t.end()
})

test('of two hosts, the one that takes writes is used, and remembered', async (t) => {
  const { servers: [standby, primary], url } = await sharedServers()
  await standby.readOnly(true)
  const front = await cuttingProxy(t, standby.url)
  const { set, load } = sessions(t, { conString: url(new URL(front.url).host, primary.host) })

  await set('id', session({ user: 'alice' }))

  t.match(await load('id'), { user: 'alice' })
  t.match(await primary.query('SELECT sid FROM session'), [{ sid: 'id' }])
  const asked = front.sent(/transaction_read_only/)
  t.ok(asked >= 1)
  await primary.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()')
  await load('id')
  t.equal(front.sent(/transaction_read_only/), asked, 'the next connection leads to the primary at once')
})

test('a first host that never answers leaves a call the time for the second', async (t) => {
  const { servers: [primary], url } = await sharedServers()
  const silent = await silentHost(t)
  const { set, load } = sessions(t, { conString: url(silent.host, primary.host) })

  await set('id', session({ user: 'alice' }))
  const tried = silent.connections()
  const beganMs = performance.now()
  await primary.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()')
  t.match(await load('id'), { user: 'alice' })
  t.ok(performance.now() - beganMs < 1500)
  t.equal(silent.connections(), tried)
})

test('two hosts that never answer leave a call the time for the third', async (t) => {
  const { servers: [primary], url } = await sharedServers()
  const [one, two] = [await silentHost(t), await silentHost(t)]
  const { set, load } = sessions(t, { conString: url(one.host, two.host, primary.host) })
  await set('id', session({ user: 'alice' }))
  t.match(await load('id'), { user: 'alice' })
})

test('when primary and standby change places, the store follows', async (t) => {
  const { servers: [one, other], url } = await twoServers(t)
  await other.readOnly(true)
  const { set, load, length } = sessions(t, { conString: url(one.host, other.host) })
  await set('first', session({ user: 'alice' }))
  t.equal((await one.query('SELECT FROM session')).length, 1)

  await one.kill()
  await other.readOnly(false)
  await set('second', session({ user: 'bob' })).catch(() => set('second', session({ user: 'bob' })))
  t.match(await load('second'), { user: 'bob' })

  await one.start()
  await other.stop()
  await length().catch(() => {})
  t.match(await load('first'), { user: 'alice' })
})

test('while no host can be used, calls fail in time and say why, without the connection string', async (t) => {
  const { servers: [standby], url } = await sharedServers()
  await standby.readOnly(true)
  const { length } = sessions(t, { conString: url(CLOSED, standby.host) })
  const beganMs = performance.now()

  const error: unknown = await length().catch((error: unknown) => error)

  t.ok(performance.now() - beganMs < 5500)
  t.match(error, { code: 'ERR_DATABASE', cause: { message: /^no host can be used: .*ECONNREFUSED.*read-only/ } })
  t.notMatch(inspect(error, { depth: 9, showHidden: true }), /127\.0\.0\.1|postgres:\/\/|:test@/)
})

test('a refused password is not tried at the other host', async (t) => {
  const { servers: [one, other], url } = await sharedServers()
  const front = await cuttingProxy(t, other.url)
  const { length } = sessions(t, { conString: url(one.host, new URL(front.url).host).replace(':test@', ':wrong@') })
  await t.rejects(length(), { code: 'ERR_DATABASE', cause: { message: /^28P01/ } })
  t.equal(front.open(), 0)
  t.equal(front.sent(/./), 0)
})

test('target_session_attrs decides whether a server that takes no writes is of use', async (t) => {
  const { servers: [standby], url } = await sharedServers()
  const conString = url(standby.host)
  await sessions(t, { conString }).set('id', session({ user: 'alice' }))
  await standby.readOnly(true)
  const writable = sessions(t, { conString: `${conString}?target_session_attrs=read-write` })
  await t.rejects(writable.length(), { code: 'ERR_DATABASE', cause: { message: 'the server is read-only' } })
  t.equal(await sessions(t, { conString: `${conString}?target_session_attrs=any` }).length(), 1)
})

test('a connection that is lost while it is asked whether it takes writes fails no call', async (t) => {
  const { servers: [one, other], url } = await sharedServers()
  const front = await cuttingProxy(t, one.url)
  const { length } = sessions(t, { conString: url(new URL(front.url).host, other.host) })
  const cut = front.cut(/transaction_read_only/, 'before')
  t.equal(await length(), 0)
  await cut
})
