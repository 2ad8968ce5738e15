import { randomUUID } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { serve } from '../support/agent.js'
import { browser, signIn } from '../support/browser.js'
import { certificate } from '../support/certificate.js'
import { cognito } from '../support/cognito.js'
import { database } from '../support/database.js'
import { runNginx } from '../support/nginx.js'
import { start, type RunningProcess } from '../support/process.js'
import { root, rootUrl } from '../support/root.js'
import { silentPort, stoppedPort } from '../support/unanswering.js'
import { until } from '../support/until.js'

const HOST = 'auth.example.com'
const ORIGIN = `https://${HOST}`

interface Answer { status: number, location: string | undefined, body: string }
interface Sent { method?: string, headers?: Record<string, string>, body?: string }

interface Front {
  /** Sends a request to nginx over TLS, as to https://auth.example.com. */
  ask: (path: string, sent?: Sent) => Promise<Answer>
  /** A port without TLS, for the test browser, that leads to nginx over TLS. */
  via: number
  httpPort: number
  log: (name: 'access' | 'error') => Promise<string>
}

/**
 * nginx with deploy/nginx.conf, in front of these ports: only ports, paths and the certificate are replaced.
 *
 * @param readTimeoutS how long nginx waits for an answer, instead of its 20 s.
 */
async function front (t: Test, instances: readonly number[], readTimeoutS = 20): Promise<Front> {
  const dir = await mkdtemp(join(tmpdir(), 'nginx-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await chmod(dir, 0o755)
  const { key, cert } = certificate(t, HOST)
  await writeFile(join(dir, 'key.pem'), key)
  await writeFile(join(dir, 'certificate.pem'), cert)
  const [port, httpPort] = [await freePort(), await freePort()]
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')
  let configuration = `daemon off;\n${await readFile(new URL('deploy/nginx.conf', rootUrl), 'utf8')}`
  for (const [from, to] of [
    ['http {', `http {\n${temporary}`],
    ['listen 80;', `listen 127.0.0.1:${httpPort};`],
    ['listen 443 ', `listen 127.0.0.1:${port} `],
    ['/run/nginx.pid', `${dir}/nginx.pid`],
    ['/etc/ssl/auth.example.com.pem', `${dir}/certificate.pem`],
    ['/etc/ssl/private/auth.example.com.key', `${dir}/key.pem`],
    ['/var/log/nginx/', `${dir}/`],
    ['proxy_read_timeout 20s;', `proxy_read_timeout ${readTimeoutS}s;`],
    ...instances.map((instance, index) => [`127.0.0.1:300${index + 1} `, `127.0.0.1:${instance} `])
  ] as [string, string][]) {
    if (!configuration.includes(from)) throw new Error(`deploy/nginx.conf has no ${from}`)
    configuration = configuration.replaceAll(from, to)
  }
  await writeFile(join(dir, 'nginx.conf'), configuration)
  await runNginx(t, dir, port)

  const secure = { host: '127.0.0.1', port, servername: HOST, rejectUnauthorized: false, agent: false } as const
  const tunnel = await serve(t, (incoming, response) => {
    const { method, url: path } = incoming
    const headers = { ...incoming.headers, connection: 'close' }
    const outgoing = secureRequest({ ...secure, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(response)
    }).once('error', () => { response.destroy() })
    incoming.pipe(outgoing)
  })
  return {
    httpPort,
    via: Number(new URL(tunnel).port),
    log: (name) => readFile(join(dir, `${name}.log`), 'utf8'),
    ask: (path, { method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
      secureRequest({ ...secure, method, path, headers: { host: HOST, ...headers } }, (answer) => {
        void text(answer).then((read) => {
          resolve({ status: answer.statusCode ?? 0, location: answer.headers.location, body: read })
        })
      }).once('error', reject).end(body)
    })
  }
}

/** Three production servers behind nginx. */
async function three (t: Test) {
  const db = await database(t)
  const pool = await cognito(t, { callbackUrl: `${ORIGIN}/api/auth/callback`, logoutUrl: `${ORIGIN}/` })
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const boot = async (port: number): Promise<RunningProcess> => {
    const server = start(t, process.execPath, ['dist/src/server.js'], {
      cwd: root,
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        PORT: String(port),
        PUBLIC_URL: ORIGIN,
        TRUST_PROXY: '127.0.0.1',
        DATABASE_URL: db.url,
        SESSION_SECRET: 'a secret of a test and of nothing else',
        ...pool.env
      }
    })
    await server.seen(/"ready on/)
    return server
  }
  const servers = await Promise.all(ports.map(boot))
  const there = await front(t, ports)
  const user = () => browser({ via: { [ORIGIN]: { port: there.via, headers: {} } } })
  return { ...there, pool, ports, boot, servers, user }
}

test('Sign-ins go through all three instances, and the logs of nginx have no code and no state', async (t) => {
  const { ask, log, pool, ports, user, servers } = await three(t)
  const secrets: string[] = []
  for (const fault of [undefined, undefined, { token: 'hang' }] as const) {
    pool.fault(fault)
    const person = user()
    const { callbackUrl, answer } = await signIn(person, ORIGIN, { role: 'INVESTOR' })
    for (const name of ['code', 'state']) secrets.push(new URL(callbackUrl).searchParams.get(name) ?? '')
    t.equal(answer.status, fault === undefined ? 303 : 504)
    if (fault === undefined) t.equal((await person.get(`${ORIGIN}/api/auth/me`)).status, 200)
  }
  t.equal(secrets.filter((secret) => secret.length > 20).length, 6)
  // Even if no instance answers.
  await Promise.all(servers.map((server) => server.stop('SIGKILL')))
  t.equal((await ask(`/api/auth/callback?code=${secrets[0]}&state=${secrets[1]}`)).status, 502)
  t.equal((await ask('/api/auth/me')).status, 502)

  const access = await log('access')
  t.match(access, /"GET \/api\/auth\/callback HTTP\/1\.1" 303 .* 127\.0\.0\.1:\d+ 303 0\.\d+/)
  for (const port of ports) t.ok(access.includes(`127.0.0.1:${port} `), String(port))
  t.notMatch(access, /\?/)
  const errors = await log('error')
  t.match(errors, /connect\(\) failed .*"GET \/api\/auth\/me/)
  for (const secret of secrets) t.notOk((access + errors).includes(secret), secret)
})

test('What a client says of its address, its host and its protocol is replaced', async (t) => {
  const { ask, servers, user } = await three(t)
  const id = randomUUID()
  const headers = {
    'x-forwarded-for': '203.0.113.9', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http'
  }
  const { status, location } = await ask(`/api/auth/login?login_hint=${id}`, { headers })

  t.equal(status, 302)
  t.ok(location?.includes(id), 'not sent to PUBLIC_URL first')
  await until(() => servers.some((server) => /"route":"\/api\/auth\/login".*"ip":"127\.0\.0\.1"/.test(server.stdout())))
  t.notOk(servers.some((server) => server.stdout().includes('203.0.113.9')))
  t.equal((await user().get(`${ORIGIN}/api/auth/login?role=INVESTOR`, { redirect: 'manual' })).status, 302)
})

test('A killed instance and rolling restarts fail no request', async (t) => {
  const { ask, ports, boot, servers } = await three(t)
  let isRunning = true
  const statuses = new Map<number, number>()
  const clients = Array.from({ length: 6 }, async () => {
    while (isRunning) {
      const { status } = await ask('/api/auth/me')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })

  await servers[0]?.stop('SIGKILL')
  await new Promise((resolve) => { setTimeout(resolve, 500) })
  await boot(ports[0] ?? 0)
  for (const index of [1, 2]) {
    t.equal(await servers[index]?.stop(), 0)
    await boot(ports[index] ?? 0)
  }
  isRunning = false
  await Promise.all(clients)

  t.same([...statuses.keys()], [401], JSON.stringify([...statuses]))
  t.ok((statuses.get(401) ?? 0) > 50)
})

/** nginx in front of three instances that answer with the status in the path, or lose the connection. */
async function losing (t: Test): Promise<(path: string, sent?: Sent) => Promise<unknown[]>> {
  const seen: string[] = []
  const instance = async () => Number(new URL(await serve(t, (incoming, response) => {
    seen.push(`${incoming.method} ${incoming.url}`)
    const status = Number(incoming.url?.slice(1))
    incoming.resume()
    incoming.once('end', () => {
      if (Number.isNaN(status)) incoming.socket.destroy()
      else response.writeHead(status).end()
    })
  })).port)
  const { ask } = await front(t, [await instance(), await instance(), await instance()])
  return async (path, sent) => {
    seen.length = 0
    const { status } = await ask(path, sent)
    return [status, ...seen]
  }
}

test('A request is sent to another instance only where nothing can have been done twice', async (t) => {
  const askedFor = await losing(t)
  t.same(await askedFor('/503'), [503, 'GET /503'], 'its own 503 is the answer')
  t.same(await askedFor('/502'), [502, 'GET /502'])
  t.same(await askedFor('/504'), [504, 'GET /504'])
  t.same(await askedFor('/lost', { method: 'POST', body: 'a=1' }), [502, 'POST /lost'])
  // Without connections that were kept: nginx does not count a try on one.
  const askedFirst = await losing(t)
  t.same((await askedFirst('/lost')).slice(1), ['GET /lost', 'GET /lost', 'GET /lost'], 'three at most')
})

for (const [path, times] of [
  ['/api/auth/logout', 3], ['/api/auth/extend', 3], ['/api/auth/cognito-events', 3],
  ['/api/auth/device/register', 1], ['/api/auth/logout/x', 1], ['/x/api/auth/logout', 1]
] as const) {
  test(`A POST to ${path} whose connection was lost is sent ${times === 3 ? 'twice more' : 'once'}`, async (t) => {
    const askedFor = await losing(t)
    t.same((await askedFor(path, { method: 'POST' })).slice(1), Array.from({ length: times }, () => `POST ${path}`))
  })
}

/** A port that answers 200. */
const answering = async (t: Test): Promise<number> =>
  Number(new URL(await serve(t, (incoming, response) => {
    incoming.resume().once('end', () => { response.end() })
  })).port)

test('An instance whose machine has gone fails no request', async (t) => {
  const { ask } = await front(t, [await answering(t), await silentPort(t), await answering(t)])
  const answers = await Promise.all([
    ...Array.from({ length: 12 }, () => ask('/')),
    ...Array.from({ length: 12 }, () => ask('/', { method: 'POST', body: 'a=1' }))
  ])
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
})

test('An instance that is back is asked at once if no other is left', async (t) => {
  const ports = [await freePort(), await freePort(), await freePort()] as const
  const open = async (port: number) => {
    const server = createServer((_incoming, response) => { response.setHeader('connection', 'close').end() })
    await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve) })
    const close = async () => { await new Promise((resolve) => server.close(resolve)) }
    t.teardown(close)
    return close
  }
  const { ask } = await front(t, ports)
  const statuses = async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask('/')))
    return new Set(answers.map(({ status }) => status))
  }
  // Each in turn is the only one, and those that follow were refused a moment ago.
  for (const port of [...ports, ports[0]]) {
    const close = await open(port)
    t.same(await statuses(), new Set([200]), String(port))
    await close()
    t.same(await statuses(), new Set([502]))
  }
})

for (const [sent, outcomes] of [[{}, [200]], [{ method: 'POST', body: 'a=1' }, [200, 504]]] as const) {
  const isPost = 'method' in sent
  const name = isPost ? 'A POST to an instance that hangs fails' : 'A GET to an instance that hangs is sent again'
  test(name, async (t) => {
    // A front of its own: an instance that has failed is left alone for five seconds. Two of six requests get there.
    const { ask } = await front(t, [await answering(t), await stoppedPort(t), await answering(t)], 1)
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask('/', sent)))
    t.same(new Set(answers.map(({ status }) => status)), new Set(outcomes))
  })
}

test('Connections to the instances are kept', async (t) => {
  const sockets = new Set<unknown>()
  const auth = await serve(t, (incoming, response) => {
    sockets.add(incoming.socket)
    response.end()
  })
  const port = Number(new URL(auth).port)
  const { ask } = await front(t, [port, port, port])

  for (let i = 0; i < 60; i++) t.equal((await ask('/')).status, 200)

  t.ok(sockets.size < 20, `${sockets.size} connections`)
})

test('Plain http leads to https, with the query', async (t) => {
  const { httpPort } = await front(t, [1, 2, 3])
  const location = await new Promise((resolve, reject) => {
    const path = '/api/auth/login?role=ISSUER'
    request({ host: '127.0.0.1', port: httpPort, path, headers: { host: HOST } }, (answer) => {
      answer.resume()
      resolve([answer.statusCode, answer.headers.location])
    }).once('error', reject).end()
  })

  t.same(location, [301, `${ORIGIN}/api/auth/login?role=ISSUER`])
})
