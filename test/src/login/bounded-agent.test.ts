import { once } from 'node:events'
import { createServer, request, type RequestListener } from 'node:http'
import { createServer as createTlsServer, request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { boundedAgent } from '../../../src/login/bounded-agent.js'
import { certificate } from '../../support/certificate.js'
import { connectProxy } from '../../support/connect-proxy.js'

const DEADLINE_MS = 500

type Way = 'http' | 'https' | 'https through a proxy'

async function serve (t: Test, way: Way, listener: RequestListener) {
  const scheme = way === 'http' ? 'http' : 'https'
  const { key, cert: ca } = scheme === 'https' ? certificate(t, 'localhost') : {}
  const server = scheme === 'https' ? createTlsServer({ key, cert: ca }, listener) : createServer(listener)
  let connections = 0
  server.on('connection', () => { connections++ })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `${scheme}://localhost:${port}/`
  const proxy = way === 'https through a proxy' ? await connectProxy(t, port) : undefined
  const agent = boundedAgent(url, DEADLINE_MS, proxy?.url.replace('//', '//user:w%20rd@'))
  const get = async (): Promise<string> => {
    const outgoing = (scheme === 'https' ? tlsRequest : request)(url, {
      agent,
      ...(ca === undefined ? {} : { ca })
    }).end()
    outgoing.on('error', () => {})
    const [incoming] = await once(outgoing, 'response') as [AsyncIterable<Buffer>]
    let text = ''
    for await (const chunk of incoming) text += chunk.toString()
    return text
  }
  return { get, proxy, connections: () => connections }
}

for (const scheme of ['http', 'https', 'https through a proxy'] as const) {
  test(`${scheme}: a connection is reused beyond the deadline`, async (t) => {
    const { get, connections } = await serve(t, scheme, (_request, response) => { response.end('hello') })
    for (let i = 0; i < 50; i++) {
      t.equal(await get(), 'hello')
      await sleep(DEADLINE_MS * 2 / 50)
    }
    t.equal(connections(), 1)
  })

  test(`${scheme}: a request on a reused connection has a deadline`, async (t) => {
    let requests = 0
    const { get, connections } = await serve(t, scheme, (_request, response) => {
      if (++requests !== 2) response.end('hello')
    })
    t.equal(await get(), 'hello')
    const start = performance.now()
    await t.rejects(get(), { message: `the connection was closed after ${DEADLINE_MS} ms` })
    t.ok(performance.now() - start >= DEADLINE_MS - 10)
    t.equal(connections(), 1)
    t.equal(await get(), 'hello')
    t.equal(connections(), 2)
  })

  test(`${scheme}: the keep-alive timeout of the server is respected`, async (t) => {
    const { get, connections } = await serve(t, scheme, (_request, response) => {
      response.setHeader('keep-alive', 'timeout=1').end('hello')
    })
    t.equal(await get(), 'hello')
    await sleep(1300)
    t.equal(await get(), 'hello')
    t.equal(connections(), 2)
  })

  test(`${scheme}: the deadline ends silent and slow answers`, async (t) => {
    const never = await serve(t, scheme, () => {})
    await t.rejects(never.get(), { message: `the connection was closed after ${DEADLINE_MS} ms` })
    const drips = await serve(t, scheme, (_request, response) => {
      const timer = setInterval(() => { response.write('.') }, 20)
      response.on('close', () => { clearInterval(timer) })
    })
    await t.rejects(drips.get(), { message: 'aborted' })
  })
}

test('a proxy gets host, port and credentials, and nothing of the request', async (t) => {
  const { get, proxy } = await serve(t, 'https through a proxy', (_request, response) => { response.end('hello') })
  t.equal(await get(), 'hello')
  const [{ target, authorization } = {}, ...more] = proxy?.asked ?? []
  t.match(target, /^localhost:\d+$/)
  t.equal(authorization, `Basic ${Buffer.from('user:w rd').toString('base64')}`)
  t.same(more, [])
})

test('a proxy that refuses or does not answer fails the request in time', async (t) => {
  const { get, proxy, connections } = await serve(t, 'https through a proxy', (_request, response) => {
    response.end('hello')
  })
  proxy?.answer({ status: 407 })
  await t.rejects(get(), { message: 'Bad response: 407' })
  proxy?.answer('nothing')
  const start = performance.now()
  await t.rejects(get(), { name: /Abort|Timeout/ })
  t.ok(performance.now() - start < DEADLINE_MS + 300)
  t.equal(connections(), 0)
})
