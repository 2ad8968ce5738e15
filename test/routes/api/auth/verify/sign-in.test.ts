import { test } from 'tap'
import { browser, signIn } from '../../../../support/browser.js'
import { raw, request } from '../../../../support/raw.js'
import { linesOf } from '../../../../support/log-lines.js'
import { server, sharedServer } from '../../../../support/server.js'
import { VERIFY } from '../../../../support/verify.js'

const PORTAL = 'https://investor.example.com'
const BEHIND_PROXY = { TRUST_PROXY: '127.0.0.1,::1', RETURN_ORIGINS: PORTAL }

/** What a proxy says of the address that its visitor asked for. */
const asked = (url: string): Record<string, string> => {
  const { protocol, host } = new URL(url)
  const [origin = ''] = /^https?:\/\/[^/]*/.exec(url) ?? []
  return {
    'x-forwarded-proto': protocol.slice(0, -1), 'x-forwarded-host': host, 'x-forwarded-uri': url.slice(origin.length)
  }
}

/** Where a 401 sends a guest. */
async function login (url: string, headers: Record<string, string>, query = ''): Promise<URL> {
  const { headers: answer, status } = await browser().get(`${url}${VERIFY}${query}`, { headers })
  if (status !== 401 || answer.get('location') !== answer.get('x-auth-login')) throw new Error(`${status}`)
  return new URL(answer.get('x-auth-login') ?? '')
}

test('A 401 says where to sign in, and return to the very page', async (t) => {
  const { url } = await sharedServer(BEHIND_PROXY)
  const page = `${PORTAL}/reports/Q1%202026?a=1&b=2&c=%26#`.slice(0, -1)

  const to = await login(url, asked(page), '?role=ISSUER&max_age=300')

  t.equal(to.origin + to.pathname, `${url}/api/auth/login`)
  t.same(Object.fromEntries(to.searchParams), { role: 'ISSUER', returnTo: page, max_age: '300' })
})

test('A guest who follows X-Auth-Login comes back to the very page', async (t) => {
  const setup = await sharedServer(BEHIND_PROXY)
  const user = browser()
  const page = `${setup.url}/orders?a=1&b=2`
  const to = await login(setup.url, asked(page), '?role=ISSUER')

  const { answer } = await signIn(user, setup.url, Object.fromEntries(to.searchParams))

  t.equal(answer.location, page)
  t.equal((await user.get(`${setup.url}${VERIFY}?role=ISSUER`)).status, 200)
})

test('An older sign-in is sent to one with the same address', async (t) => {
  const setup = await sharedServer(BEHIND_PROXY)
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query('UPDATE session SET sess = (sess::jsonb - \'authTime\')::json')

  const answer = await user.get(`${setup.url}${VERIFY}?max_age=60`, { headers: asked(`${PORTAL}/pay`) })

  const to = new URL(answer.headers.get('x-auth-login') ?? '')
  t.same(Object.fromEntries(to.searchParams), { returnTo: `${PORTAL}/pay`, max_age: '60' })
})

for (const [what, headers] of [
  ['another origin', asked('https://evil.example/')],
  ['another port', asked('https://investor.example.com:8443/')],
  ['the portal over http', asked('http://investor.example.com/')],
  ['no host', { 'x-forwarded-proto': 'https', 'x-forwarded-uri': '/' }],
  ['no scheme', { 'x-forwarded-host': 'investor.example.com', 'x-forwarded-uri': '/' }],
  ['no address', { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'investor.example.com' }],
  ['a host with a user name', { ...asked(`${PORTAL}/`), 'x-forwarded-host': 'investor.example.com@evil.example' }],
  ['an address that continues the host', { ...asked(`${PORTAL}/`), 'x-forwarded-uri': '.evil.example/' }],
  ['a backslash', { ...asked(`${PORTAL}/`), 'x-forwarded-uri': '/\\evil.example' }],
  ['an absolute address', { ...asked(`${PORTAL}/`), 'x-forwarded-uri': 'https://evil.example/' }],
  ['a list of hosts, the last of which is another', {
    ...asked(`${PORTAL}/`), 'x-forwarded-host': 'investor.example.com, evil.example'
  }]
] as const) {
  test(`With ${what}, the login has no returnTo`, async (t) => {
    const { url } = await sharedServer(BEHIND_PROXY)

    t.equal((await login(url, headers)).href, `${url}/api/auth/login`)
  })
}

test('Without TRUST_PROXY, X-Forwarded-* are not believed', async (t) => {
  const { url } = await sharedServer({ RETURN_ORIGINS: PORTAL })

  t.equal((await login(url, asked(`${PORTAL}/`))).href, `${url}/api/auth/login`)
})

test('From another address than those of TRUST_PROXY, X-Forwarded-* are not believed', async (t) => {
  const { url } = await sharedServer({ TRUST_PROXY: '192.0.2.0/24', RETURN_ORIGINS: PORTAL })

  t.equal((await login(url, { ...asked(`${PORTAL}/`), 'x-forwarded-for': '192.0.2.1' })).href, `${url}/api/auth/login`)
})

test('However long the address, the headers of a 401 fit into 4 KB, and it keeps as much as fits', async (t) => {
  const { env, url } = await sharedServer(BEHIND_PROXY)
  const guest = async (uri: string) => raw(Number(env.PORT), request('GET', `${VERIFY}?role=INVESTOR&max_age=86400`, {
    ...asked(`${PORTAL}/`), 'x-forwarded-uri': uri
  }))
  for (const [uri, kept] of [
    [`/a?q=${'x'.repeat(1000)}`, `/a?q=${'x'.repeat(1000)}`],
    [`/a?q=${'/'.repeat(1900)}`, '/a'],
    [`/a/${'%C3%BC'.repeat(300)}`, '/a/'],
    [`/a?q=${'x'.repeat(9000)}`, null]
  ] as const) {
    const { status, headers } = await guest(uri)
    t.equal(status, 401)
    const size = [...headers].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 40)
    t.ok(size < 4096, `${size} bytes`)
    const returnTo = new URL(headers.get('location') ?? '').searchParams.get('returnTo')
    t.equal(returnTo, kept === null ? null : PORTAL + kept)
  }
  t.equal(new URL(url).protocol, 'http:')
})

test('The log says once that sign-ins do not come back to the address of a proxy', async (t) => {
  const setup = await server(t, BEHIND_PROXY)
  const warnings = () => linesOf(setup.log).filter(({ msg }) => msg.includes('do not come back'))
  await login(setup.url, asked(`${PORTAL}/x`))
  t.same(warnings(), [])
  for (const path of ['x', 'y']) await login(setup.url, asked(`http://localhost:8080/${path}`))
  t.match(warnings(), [{ level: 40, origin: 'http://localhost:8080' }])
  t.equal(warnings().length, 1)
})
