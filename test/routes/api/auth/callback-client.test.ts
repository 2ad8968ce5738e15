import { test } from 'tap'
import { browser } from '../../../support/browser.js'
import { base64url, clientId, clientSecret } from '../../../support/misbehaving-provider.js'
import { relyingParty, type RelyingParty } from '../../../support/relying-party.js'

const OTHER = 'other/secret+of=a~test'

/** The secrets that were sent to an endpoint, in their order. */
const sent = ({ provider }: RelyingParty, endpoint = 'token') => provider.requests
  .filter((request) => request.endpoint === endpoint)
  .map(({ headers }) => Buffer.from(headers.authorization?.replace('Basic ', '') ?? '', 'base64').toString())
  .map((credentials) => new URLSearchParams(`x=${credentials.split(':')[1] ?? ''}`).get('x'))

const switches = ({ log }: RelyingParty) =>
  log.filter((line) => line.includes('Cognito refused one client secret and accepted the other')).length

test('Of two client secrets, the one that works is found and tried first from then on', async (t) => {
  const party = await relyingParty(t, { COGNITO_CLIENT_SECRET: `${clientSecret},${OTHER}` })
  const user = browser()

  t.equal((await party.signIn()).status, 303)
  t.same(sent(party), [clientSecret])

  party.provider.behaviour = { secrets: [OTHER] }
  t.equal((await party.signIn()).status, 303)
  t.equal((await party.signIn(user)).status, 303)
  t.same(sent(party).slice(1), [clientSecret, OTHER, OTHER])
  t.equal((await user.post(`${party.url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)
  t.same(sent(party, 'revoke'), [OTHER])
  t.equal(switches(party), 1)

  party.provider.behaviour = { secrets: [clientSecret] }
  t.equal((await party.signIn()).status, 303)
  t.same(sent(party).slice(4), [OTHER, clientSecret])
  t.equal(switches(party), 2)
  for (const secret of [clientSecret, OTHER]) t.notOk(party.log.join('').includes(secret))
})

test('When both client secrets are refused, the callback answers 502', async (t) => {
  const party = await relyingParty(t, { COGNITO_CLIENT_SECRET: `${clientSecret},${OTHER}` })
  party.provider.behaviour = { secrets: ['third'] }

  t.match(await party.signIn(), { status: 502, code: 'ERR_COGNITO_ANSWER' })
  t.same(sent(party), [clientSecret, OTHER])
  t.match(party.log.join(''), /"cause":"status 401, invalid_client"/)
})

test('A refusal for another reason is not repeated with the other secret', async (t) => {
  const party = await relyingParty(t, { COGNITO_CLIENT_SECRET: `${clientSecret},${OTHER}` })
  for (const error of ['invalid_grant', 'unauthorized_client', 'invalid_request']) {
    party.provider.behaviour = {
      respond: {
        token: (_request, response) => {
          response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
        }
      }
    }
    t.ok((await party.signIn()).status >= 400)
  }
  t.same(sent(party), [clientSecret, clientSecret, clientSecret])
})

test('Without COGNITO_CLIENT_SECRET the client sends its id alone, and proves itself by PKCE', async (t) => {
  const party = await relyingParty(t, { COGNITO_CLIENT_SECRET: '' })
  party.provider.behaviour = { secrets: [] }
  const user = browser()

  t.equal((await party.signIn(user)).status, 303)
  t.equal((await user.post(`${party.url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)

  for (const endpoint of ['token', 'revoke']) {
    const [request] = party.provider.requests.filter((each) => each.endpoint === endpoint)
    t.equal(request?.headers.authorization, undefined, endpoint)
    t.same(request?.body.getAll('client_id'), [clientId])
    t.notOk(request?.body.has('client_secret'))
  }
  const [exchange] = party.provider.requests.filter(({ endpoint }) => endpoint === 'token')
  t.match(exchange?.body.get('code_verifier'), /^[\w-]{43}$/)
})

test('Roles come from ROLE_CLAIM by ROLE_MAP, and further claims are in me', async (t) => {
  const party = await relyingParty(t, {
    ROLE_CLAIM: 'custom:groups',
    ROLE_MAP: 'admins=ADMIN',
    OPEN_ROLES: '',
    USER_CLAIMS: 'given_name,locale,custom:company'
  })
  const signIn = async (claims: Record<string, unknown>) => {
    party.provider.behaviour = { claims: (all) => ({ ...all, ...claims }) }
    const user = browser()
    const login = await user.get(`${party.url}/api/auth/login?role=ADMIN`, { redirect: 'manual' })
    const authorize = await user.get(login.location ?? '', { redirect: 'manual' })
    const { status, code } = await party.finish(user, authorize.location ?? '')
    return { status, code, user }
  }

  const { status, user } = await signIn({
    'custom:groups': 'staff,admins', 'given_name': 'Sample', 'locale': 'de', 'custom:company': 'Acme', 'other': 'x'
  })
  t.equal(status, 303)
  t.match(JSON.parse((await user.get(`${party.url}/api/auth/me`)).text), {
    user: { 'sub': String, 'email': String, 'given_name': 'Sample', 'locale': 'de', 'custom:company': 'Acme' },
    role: 'ADMIN',
    roles: ['ADMIN']
  })
  const [row] = await party.rows()
  t.notMatch(JSON.stringify(row), /staff|admins|"other"/, 'the session keeps no groups and no other claims')

  t.equal((await signIn({ 'custom:groups': 'ADMIN' })).status, 303, 'the group of the same name')
  for (const claims of [{ 'custom:groups': 'Admins' }, { 'cognito:groups': ['ADMIN', 'admins'] }, {}]) {
    t.match(await signIn(claims), { status: 403, code: 'ERR_ROLE_NOT_GRANTED' })
  }
})

for (const [what, letter] of [['ASCII', 'g'], ['four-byte', '🦊']] as const) {
  test(`A user in 100 groups with names of 128 ${what} characters signs in`, async (t) => {
    const party = await relyingParty(t)
    const groups = Array.from({ length: 100 }, (_, index) => String(index).padStart(2, '0') + letter.repeat(126))
    const roles = groups.map((group) => `arn:aws:iam::123456789012:role/role-of-${group.slice(0, 2)}`)
    const accessToken = [
      { kid: 'k', alg: 'RS256' },
      { 'cognito:groups': groups, 'sub': 'x'.repeat(36), 'jti': 'x'.repeat(400) },
      'x'.repeat(256)
    ].map(base64url).join('.')
    party.provider.behaviour = {
      claims: (all) => ({ ...all, 'cognito:groups': groups, 'cognito:roles': roles }),
      tokens: (all) => ({ ...all, access_token: accessToken, refresh_token: 'x'.repeat(1800) })
    }
    const user = browser()

    t.equal((await party.signIn(user)).status, 303)
    t.equal((await user.get(`${party.url}/api/auth/me`)).status, 200)
    const [row] = await party.rows()
    t.notMatch(JSON.stringify(row), letter.repeat(20), 'the session keeps no groups')
    t.match(row?.sess, { accessToken: { sealed: String } })
  })
}
