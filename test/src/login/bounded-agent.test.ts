import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request, type RequestListener } from 'node:http'
import { createServer as createTlsServer, request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { boundedAgent } from '../../../src/login/bounded-agent.js'

const DEADLINE_MS = 500

async function serve (t: Test, scheme: 'http' | 'https', listener: RequestListener) {
  const folder = t.testdir()
  const files = [join(folder, 'key.pem'), join(folder, 'certificate.pem')] as const
  if (scheme === 'https') {
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-subj', '/CN=localhost', '-keyout', files[0], '-out', files[1]
    ], { stdio: 'ignore' })
  }
  const [key, ca] = scheme === 'https' ? files.map((file) => readFileSync(file)) : []
  const server = scheme === 'https' ? createTlsServer({ key, cert: ca }, listener) : createServer(listener)
  let connections = 0
  server.on('connection', () => { connections++ })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `${scheme}://localhost:${(server.address() as AddressInfo).port}/`
  const agent = boundedAgent(url, DEADLINE_MS)
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
  return { get, connections: () => connections }
}

for (const scheme of ['http', 'https'] as const) {
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
