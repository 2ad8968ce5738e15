import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { freePort } from '../local/free-port.js'
import { browser } from './support/browser.js'
import { certificate } from './support/certificate.js'
import { connectProxy } from './support/connect-proxy.js'
import { database } from './support/database.js'
import { MisbehavingProvider } from './support/misbehaving-provider.js'
import { start } from './support/process.js'
import { root } from './support/root.js'

/** A host that this machine cannot look up: only the proxy knows where it is. */
const HOST = 'login.example.invalid'

/** A server that reaches its provider through a proxy, if at all. */
async function setUp (t: Test, overrides: Record<string, string> = {}) {
  const provider = new MisbehavingProvider(`https://${HOST}`)
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
      .on('end', () => { provider.answer(request, response, Buffer.concat(chunks).toString()) })
  }
  const { key, cert, file } = certificate(t, HOST)
  const listen = async (server: ReturnType<typeof createServer>) => {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return (server.address() as AddressInfo).port
  }
  const proxy = await connectProxy(t, await listen(createTlsServer({ key, cert }, listener)))
  // The browser's way to the provider leads through no proxy.
  const user = browser({ via: { [`https://${HOST}`]: await listen(createServer(listener)) } })

  const [{ url: DATABASE_URL }, port] = [await database(t), await freePort()]
  const url = `http://localhost:${port}`
  const server = start(t, process.execPath, [join(root, 'dist-test/src/server.js')], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      PUBLIC_URL: url,
      DATABASE_URL,
      SESSION_SECRET: 'a secret of a test and of nothing else',
      NODE_EXTRA_CA_CERTS: file,
      HTTPS_PROXY: proxy.url,
      ...provider.env,
      ...overrides
    }
  })
  await server.seen(/"ready on /)
  const signIn = async () => {
    const login = await user.get(`${url}/api/auth/login`, { redirect: 'manual' })
    const authorize = await user.get(login.location ?? '', { redirect: 'manual' })
    return user.get(authorize.location ?? '', { redirect: 'manual', headers: { accept: 'application/json' } })
  }
  return { url, provider, proxy, user, server, signIn }
}

test('With HTTPS_PROXY, tokens, keys and revocation go through the proxy', async (t) => {
  const { url, provider, proxy, user, server, signIn } = await setUp(t)

  const callback = await signIn()
  t.equal(callback.status, 303)
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
  t.equal((await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)

  const asked = (endpoint: string) => provider.requests.filter((request) => request.endpoint === endpoint).length
  t.same([asked('token'), asked('jwks'), asked('revoke')], [1, 1, 1])
  t.same([...new Set(proxy.asked.map(({ target }) => target))], [`${HOST}:443`])
  t.equal(proxy.asked.length, 2, 'one connection for tokens and revocation, one for keys')
  t.notMatch(server.stdout(), new URL(proxy.url).host, 'the proxy is not in the log')
})

test('When the proxy refuses, the callback answers 504, and the log says why', async (t) => {
  const { proxy, server, signIn } = await setUp(t)
  proxy.answer({ status: 403 })

  t.match(JSON.parse((await signIn()).text), { statusCode: 504, code: 'ERR_COGNITO_TIMEOUT' })
  await server.seen(/"cause":"[^"]*Bad response: 403"/)
  t.equal(proxy.asked.length, 1)
})

test('With NO_PROXY, the provider is reached directly', async (t) => {
  const { proxy, signIn } = await setUp(t, { NO_PROXY: '.example.invalid' })

  t.match(JSON.parse((await signIn()).text), { statusCode: 504, code: 'ERR_COGNITO_TIMEOUT' })
  t.same(proxy.asked, [])
})
