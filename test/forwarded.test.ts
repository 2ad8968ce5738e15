import { test } from 'tap'
import { browser, reachCallback, signIn, type Browser, type Page } from './support/browser.js'
import { isEmbedded, server, sharedServer, type Setup } from './support/server.js'

/** A login that does not arrive at the host of PUBLIC_URL is sent there first: its answer after that. */
async function login (user: Browser, url: string, headers: Record<string, string>): Promise<Page> {
  const first = await user.get(`${url}/api/auth/login`, { redirect: 'manual', headers })
  if (first.location?.startsWith(`${url}/api/auth/login?`) !== true) return first
  return user.get(first.location, { redirect: 'manual', headers })
}

/** What a stranger may say of where a request came from and where it was meant to go. */
const LIES = {
  'x-forwarded-for': '203.0.113.7, 198.51.100.9',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-port': '444',
  'x-real-ip': '203.0.113.7',
  'x-original-url': '/api/auth/me',
  'x-rewrite-url': '/api/auth/me',
  'forwarded': 'for=203.0.113.7;proto=https;host=evil.example'
}

const addresses = ({ log }: Setup) =>
  log
    .map((line) => JSON.parse(line) as { msg?: string, ip?: string })
    .filter(({ msg }) => msg === 'Request')
    .map(({ ip }) => ip)

for (const [who, overrides] of [
  ['with TRUST_PROXY unset', {}],
  ['when TRUST_PROXY lists other addresses', { TRUST_PROXY: '10.0.0.0/8,192.0.2.1' }]
] as const) {
  test(`X-Forwarded-* headers are ignored ${who}`, async (t) => {
    const setup = await server(t, overrides)
    const run = async (headers: Record<string, string>) => {
      const user = browser()
      const login = await user.get(`${setup.url}/api/auth/login`, { redirect: 'manual', headers })
      const { callbackUrl } = await reachCallback(user, setup.url, { returnTo: '/offers' })
      const callback = await user.get(callbackUrl, { redirect: 'manual', headers })
      const logout = await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual', headers })
      const nameless = (line: string) =>
        line.replace(/^(cashsouk\.sid(?:\.login\.)?)[^=]*=[^;]*/, '$1').replace(/Expires=[^;]*/, '')
      return [login, callback, logout].map(({ status, headers: sent }) => [
        status,
        new URL(sent.get('location') ?? '', 'http://relative').href.replaceAll(
          /(state|nonce|code_challenge)=[^&]*/g,
          '$1'
        ),
        sent.getSetCookie().map(nameless),
        sent.get('strict-transport-security')
      ])
    }

    t.same(await run(LIES), await run({}))
    t.same([...new Set(addresses(setup))], ['127.0.0.1'])
    t.notMatch(setup.log.join(''), /203\.0\.113|198\.51\.100|evil\.example/)
  })
}

/** The hints that `X-Forwarded-*` is ignored. */
const hints = ({ log }: Setup) => log
  .map((line) => JSON.parse(line) as { level: number, msg: string, address?: string })
  .filter(({ msg }) => msg.startsWith('X-Forwarded-'))

for (const [who, overrides] of [
  ['without TRUST_PROXY', {}],
  ['from an address that TRUST_PROXY does not have', { TRUST_PROXY: '10.0.0.0/8' }]
] as const) {
  test(`Headers of a proxy ${who} are told once, with the address`, { skip: isEmbedded }, async (t) => {
    const setup = await server(t, overrides)
    const ask = async (headers: Record<string, string>) => fetch(`${setup.url}/api/auth/me`, { headers })

    await ask({})
    t.same(hints(setup), [])
    await ask({ 'x-forwarded-proto': 'https' })
    await ask({ 'x-forwarded-for': '203.0.113.7' })

    t.match(hints(setup), [{ level: 40, msg: /set TRUST_PROXY/, address: /^(127\.0\.0\.1|::1)$/ }])
    t.equal(hints(setup).length, 1)
  })
}

test('Headers of a trusted proxy are not told', async (t) => {
  const setup = await server(t, { TRUST_PROXY: '127.0.0.1,::1' })
  await fetch(`${setup.url}/api/auth/me`, { headers: { 'x-forwarded-for': '203.0.113.7' } })
  t.same(hints(setup), [])
})

test('X-Forwarded-Proto: http does not remove Secure from the cookies', async (t) => {
  const setup = await server(t, { PUBLIC_URL: 'https://auth.example.com' })
  const user = browser({
    via: {
      'https://auth.example.com': {
        port: Number(setup.env.PORT),
        headers: { ...LIES, 'x-forwarded-proto': 'http' }
      }
    }
  })

  const { answer } = await signIn(user, setup.url)

  t.match(answer.headers.getSetCookie().filter((line) => line.startsWith('cashsouk.sid=')), [/; Secure/])
})

test('The client is the last address that is not a trusted proxy', async (t) => {
  const setup = await server(t, { TRUST_PROXY: '127.0.0.1,198.51.100.0/24' })

  await fetch(`${setup.url}/api/auth/me`, { headers: { 'x-forwarded-for': '192.0.2.66, 203.0.113.7, 198.51.100.9' } })

  t.same(addresses(setup), ['203.0.113.7'])
})

test('The ports of forwarded addresses are cut off', async (t) => {
  const setup = await server(t, { TRUST_PROXY: '127.0.0.1,198.51.100.0/24' })

  for (const forwarded of [
    '203.0.113.7:41234', '192.0.2.66, 203.0.113.7:41234, 198.51.100.9:443', '[2001:db8::7]:41234', '[2001:db8::7]',
    '2001:db8::7'
  ]) {
    await fetch(`${setup.url}/api/auth/me`, { headers: { 'x-forwarded-for': forwarded } })
  }

  t.same(addresses(setup), ['203.0.113.7', '203.0.113.7', '2001:db8::7', '2001:db8::7', '2001:db8::7'])
})

test('A client has one rate limit, whatever its port', async (t) => {
  const { url } = await server(t, { TRUST_PROXY: '127.0.0.1,::1', LOGIN_RATE_LIMIT: '2' })
  const statuses = []
  for (const forwarded of ['203.0.113.7:1', '203.0.113.7:2', '203.0.113.7:3', '203.0.113.8:1']) {
    const page = await browser().get(
      `${url}/api/auth/login`, { redirect: 'manual', headers: { 'x-forwarded-for': forwarded } }
    )
    statuses.push(page.status)
  }

  t.same(statuses, [302, 302, 429, 302])
})

test('X-Forwarded-Host of a trusted proxy changes no redirect', async (t) => {
  const setup = await server(t, { TRUST_PROXY: '127.0.0.1' })
  const user = browser()

  const { callbackUrl } = await reachCallback(user, setup.url, { returnTo: '/offers' })
  const started = await login(user, setup.url, LIES)
  const answer = await user.get(callbackUrl, { redirect: 'manual', headers: LIES })

  t.equal(new URL(started.location ?? '').searchParams.get('redirect_uri'), `${setup.url}/api/auth/callback`)
  t.equal(answer.headers.get('location'), '/offers')
})

test('A foreign Host header changes no redirect', async (t) => {
  const setup = await sharedServer()
  const user = browser()

  const started = await login(user, setup.url, { host: 'evil.example' })
  const logout = await user.post(
    `${setup.url}/api/auth/logout`,
    {},
    { redirect: 'manual', headers: { host: 'evil.example' } }
  )

  t.equal(new URL(started.location ?? '').searchParams.get('redirect_uri'), `${setup.url}/api/auth/callback`)
  t.equal(new URL(logout.location ?? '').searchParams.get('logout_uri'), `${setup.url}/`)
})
