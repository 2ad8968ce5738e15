import { test } from 'tap'
import { browser, reachCallback, signIn } from './support/browser.js'
import { raw, request } from './support/raw.js'
import { sharedServer } from './support/server.js'

/** Ways to write a path that some server, proxy or framework takes for another. */
const tricks = (path: string): string[] => {
  const [, first = '', ...rest] = path.split('/')
  const tail = rest.join('/')
  return [
    `/${path}`,
    `//${path}`,
    `/${first}//${tail}`,
    `${path}/`,
    `${path}//`,
    `${path}/.`,
    `${path}/..`,
    `${path}/x/..`,
    path.toUpperCase(),
    `/${first.toUpperCase()}/${tail}`,
    `${path};x`,
    `${path};x=y`,
    `/${first};x/${tail}`,
    `${path};/`,
    `/;${path}`,
    path.replaceAll('/', '%2F'),
    `/${first}%2f${tail}`,
    `${path}%2F`,
    `${path}%2f..`,
    `${path}%252F`,
    `/./${first}/${tail}`,
    `/x/../${first}/${tail}`,
    `/%2e/${first}/${tail}`,
    `/x/%2e%2e${path}`,
    `/health/%2e%2e${path}`,
    `/health/..${path}`,
    `/${first}\\${tail}`,
    `\\${first}\\${tail}`,
    path.replaceAll('/', '%5C'),
    `/x\\..\\${first}/${tail}`,
    `${path}%00`,
    `${path}%00.css`,
    `${path}.css`,
    `${path}.json`,
    `${path}%0a`,
    `${path}%0d%0aX-Injected:%20yes`,
    `${path}%09`,
    `${path}%20`,
    `/%20${path}`,
    path.replace('/', '/%c0%af'),
    `${path}%c0%ae`,
    path.replaceAll('/', '%c0%af'),
    `${path}%e0%80%af`,
    `${path}%ff`,
    `${path}%`,
    `${path}%zz`,
    `*`,
    path.slice(1),
    `ftp://localhost${path}`,
    ''
  ]
}

/** Written otherwise, and still the same path (RFC 3986 §6.2.2, RFC 9112 §3.2.2): they meet the same guard. */
const same = (path: string): string[] => [
  path,
  `${path}?`,
  `${path}?/../../health`,
  `${path}#x`,
  `http://localhost${path}`,
  `HTTP://evil.example${path}`,
  `https://user:pass@evil.example:99999${path}`,
  path.replace('auth', '%61uth'),
  path.replace('api', '%61p%69')
]

test('Variants of /api/auth/me answer 4xx without a cookie', async (t) => {
  const setup = await sharedServer()
  const port = Number(setup.env.PORT)

  for (const target of [...tricks('/api/auth/me'), ...same('/api/auth/me')]) {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      const { status, headers } = await raw(port, request(method, target))
      t.ok(status >= 400 && status < 500, `${method} ${target} answered ${status}`)
      t.equal(headers.get('x-injected'), null)
    }
  }
  t.same(await setup.database.query('SELECT * FROM session'), [])
})

for (const target of same('/api/auth/me')) {
  test(`GET ${target} is /api/auth/me for a signed-in user`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    await signIn(user, setup.url)
    const { status, body } = await raw(
      Number(setup.env.PORT),
      request('GET', target, { cookie: user.cookieHeader(setup.url) })
    )
    t.equal(status, 200)
    t.match(body, /alice@example\.com/)
  })
}

test('Variants of /api/auth/logout answer 4xx to a foreign page, or a page that ends nothing', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const headers = { 'cookie': user.cookieHeader(setup.url), 'origin': 'https://evil.example', 'content-length': '0' }

  const others = same('/api/auth/logout')
  for (const target of [...tricks('/api/auth/logout'), ...others]) {
    for (const method of ['POST', 'GET', 'HEAD']) {
      const { status, headers: answered } = await raw(Number(setup.env.PORT), request(method, target, headers))
      if (method !== 'POST' && others.includes(target)) t.equal(status, 200, `${method} ${target}`)
      else t.ok(status >= 400 && status < 500, `${method} ${target} answered ${status}`)
      t.equal(answered.get('set-cookie'), null)
    }
  }
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('Variants of /api/auth/login answer 4xx and start no login', async (t) => {
  const setup = await sharedServer()

  for (const target of tricks('/api/auth/login')) {
    const { status } = await raw(Number(setup.env.PORT), request('GET', target))
    t.ok(status >= 400 && status < 500, `${target} answered ${status}`)
  }
  t.same(await setup.database.query('SELECT * FROM session'), [])
})

test('A callback in absolute form signs in, whatever host it names', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  const { pathname, search } = new URL(callbackUrl)

  const { status, headers } = await raw(
    Number(setup.env.PORT),
    request('GET', `http://evil.example${pathname}${search}`, {
      cookie: user.cookieHeader(callbackUrl)
    })
  )

  t.equal(status, 303)
  t.equal(headers.get('location'), '/')
})

const NO_HTTP: [what: string, bytes: string, status: number][] = [
  ['a NUL in the path', 'GET /api/auth/me\0 HTTP/1.1\r\nhost: x\r\n\r\n', 400],
  [
    'raw UTF-8 in the path that is overlong',
    'GET /api\xc0\xafauth/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    400
  ],
  ['a space in the path', 'GET /api/auth/me /x HTTP/1.1\r\nhost: x\r\n\r\n', 400],
  ['no method', '/api/auth/me HTTP/1.1\r\n\r\n', 400],
  ['a made-up method', 'GIT /api/auth/me HTTP/1.1\r\nhost: x\r\n\r\n', 400],
  ['a header without a name', 'GET /api/auth/me HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n', 400],
  [
    'two lengths',
    'POST /api/auth/logout HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx',
    400
  ],
  [
    'a length and chunks',
    'POST /api/auth/logout HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    400
  ],
  [
    'a broken chunk',
    'POST /api/auth/logout HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    400
  ],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  [
    'headers of 20 KB',
    `GET /api/auth/me HTTP/1.1\r\nhost: x\r\ncookie: ${'x'.repeat(20_000)}\r\n\r\n`,
    431
  ],
  ['a path of 20 KB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
  [
    'a path that cannot be decoded',
    'GET /api/auth/%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    400
  ]
]

for (const [what, bytes, status] of NO_HTTP) {
  test(`A request with ${what} answers ${status} with the usual headers and body`, async (t) => {
    const setup = await sharedServer({ PUBLIC_URL: 'https://auth.example.com' })
    const answer = await raw(Number(setup.env.PORT), Buffer.from(bytes, 'latin1'))

    t.equal(answer.status, status)
    t.match(Object.fromEntries(answer.headers), {
      'cache-control': 'no-store',
      'content-security-policy': /^default-src 'none';.*frame-ancestors 'none'/,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'strict-transport-security': /^max-age=31536000/
    })
    t.match(JSON.parse(answer.body), {
      statusCode: status,
      code: /^ERR_/,
      message: String,
      requestId: /^[\da-f-]{36}$/
    })
    t.notMatch(setup.log.join(''), /rawPacket/)
  })
}
