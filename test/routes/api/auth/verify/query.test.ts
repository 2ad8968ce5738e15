import { test } from 'tap'
import { browser, signIn } from '../../../../support/browser.js'
import { isEmbedded, server, sharedServer } from '../../../../support/server.js'
import { identity, NO_IDENTITY, VERIFY } from '../../../../support/verify.js'

const REFUSED = 'verify refused a request: the query in the configuration of the proxy is wrong'

for (const [what, query] of [
  ['a role given twice', 'role=INVESTOR&role=INVESTOR'],
  ['a role given twice, the first of which the user has', 'role=INVESTOR&role=ADMIN'],
  ['an unknown role', 'role=AUDITOR'],
  ['an empty role', 'role='],
  ['a role in lower case', 'role=investor'],
  ['max_age given twice', 'max_age=300&max_age=9000'],
  ['an empty max_age', 'max_age='],
  ['a max_age of 0', 'max_age=0'],
  ['a max_age over a day', 'max_age=86401'],
  ['a malformed max_age', 'max_age=1e3'],
  ['slide given twice', 'slide=true&slide=true'],
  ['a malformed slide', 'slide=yes'],
  ['an unknown parameter', 'utm_source=mail'],
  ['the parameter of an object', '__proto__=1'],
  ['a parameter with brackets', 'role[]=INVESTOR']
] as const) {
  test(`verify refuses ${what} with 403, for a signed-in user and for a guest`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    await signIn(user, setup.url)

    for (const visitor of [user, browser()]) {
      const answer = await visitor.get(`${setup.url}${VERIFY}?${query}`)
      t.equal(answer.status, 403)
      t.match(JSON.parse(answer.text), { code: 'ERR_VERIFY_QUERY' })
      t.same(identity(answer), NO_IDENTITY)
      t.equal(answer.headers.get('x-auth-login'), null)
    }
  })
}

test('The log says what is wrong with a query, once a minute for each fault, and never a value', async (t) => {
  const { url, log } = await server(t)
  for (const query of ['role=AUDITOR', 'role=AUDITOR', 'secret=value', 'role=INVESTOR&role=ADMIN']) {
    await browser().get(`${url}${VERIFY}?${query}`)
  }

  const lines = log.map((line) => JSON.parse(line) as { level: number, msg: string, reason?: string })
    .filter(({ msg }) => msg === REFUSED)
  t.same(lines.map(({ reason }) => reason), [
    'role must be one of INVESTOR, ISSUER, ADMIN',
    'the query has an unknown parameter',
    'role is given more than once'
  ])
  t.same(lines.map(({ level }) => level), [40, 40, 40])
  // An application's own lines have its URLs.
  const own = log.filter((line) => !isEmbedded || !/"msg":"(incoming request|request completed)"/.test(line))
  t.notMatch(own.join(), /AUDITOR|secret=|"value"/)
})

test('verify?max_age= admits a recent sign-in, and sends an older one to a new sign-in', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const age = async (seconds: number) => {
    await setup.database.query(
      'UPDATE session SET sess = jsonb_set(sess::jsonb, \'{authTime}\', to_jsonb(extract(epoch FROM now()) - $1))',
      [seconds]
    )
  }
  await age(290)
  t.equal((await user.get(`${setup.url}${VERIFY}?max_age=300`)).status, 200)
  await age(310)

  const answer = await user.get(`${setup.url}${VERIFY}?max_age=300`)

  t.equal(answer.status, 401)
  t.match(JSON.parse(answer.text), { code: 'ERR_RECENT_SIGN_IN' })
  t.equal(answer.headers.get('www-authenticate'), 'Bearer error="insufficient_user_authentication", max_age=300')
  t.equal(answer.headers.get('x-auth-login'), `${setup.url}/api/auth/login?max_age=300`)
  t.same(identity(answer), NO_IDENTITY)
  t.equal((await user.get(`${setup.url}${VERIFY}`)).status, 200)
})

test('A session without the time of its sign-in never satisfies max_age', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query('UPDATE session SET sess = (sess::jsonb - \'authTime\')::json')

  t.equal((await user.get(`${setup.url}${VERIFY}?max_age=86400`)).status, 401)
})

test('Without the role, max_age is not asked for: no sign-in would help', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query('UPDATE session SET sess = (sess::jsonb - \'authTime\')::json')

  t.equal((await user.get(`${setup.url}${VERIFY}?role=ADMIN&max_age=300`)).status, 403)
})
