import { test } from 'tap'
import { browser, reachCallback, signIn } from '../../../support/browser.js'
import { retried } from '../../../support/error-page.js'
import { seconds } from '../../../support/misbehaving-provider.js'
import { relyingParty, type RelyingParty } from '../../../support/relying-party.js'
import { server, sharedServer } from '../../../support/server.js'

const manual = { redirect: 'manual' } as const

/** The callback's URL of a login that the provider answers with `error`. */
async function refused (
  party: RelyingParty, user: ReturnType<typeof browser>, error: string, query: Record<string, string>
): Promise<string> {
  party.provider.behaviour = {
    callback: (parameters) => {
      parameters.delete('code')
      parameters.set('error', error)
    }
  }
  const login = await user.get(`${party.url}/api/auth/login?${new URLSearchParams(query).toString()}`, manual)
  return (await user.get(login.location ?? '', manual)).location ?? ''
}

for (const error of ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']) {
  test(`A silent login that is answered ${error} ends at its return address as a guest`, async (t) => {
    const party = await relyingParty(t)
    const user = browser()
    const callbackUrl = await refused(party, user, error, { prompt: 'none', returnTo: '/offers?page=2#top' })

    const answer = await user.get(callbackUrl, manual)

    t.equal(answer.status, 303)
    t.equal(answer.headers.get('location'), `/offers?page=2&auth=${error}#top`)
    t.same(await party.rows(), [], 'the login is over')
    t.same(user.cookies, [])
    t.equal((await user.get(`${party.url}/api/auth/me`)).status, 401)
    t.equal((await user.get(callbackUrl, manual)).status, 400, 'once')
  })
}

test('The local pool answers a silent login with login_required, and then signs in silently', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const silent = { query: { prompt: 'none' }, returnTo: '/offers' }

  const guest = await user.get((await reachCallback(user, setup.url, silent)).callbackUrl, manual)
  await signIn(user, setup.url)
  const known = await user.get((await reachCallback(user, setup.url, silent)).callbackUrl, manual)

  t.equal(guest.location, `${setup.url}/offers?auth=login_required`)
  t.equal(known.location, `${setup.url}/offers`)
})

test('A silent login that fails leaves an existing session unchanged', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  await party.signIn(user)
  const before = [await party.rows(), user.cookie('cashsouk.sid')?.value]

  const answer = await user.get(await refused(party, user, 'login_required', { prompt: 'none' }), manual)

  t.equal(answer.headers.get('location'), '/?auth=login_required')
  t.same([await party.rows(), user.cookie('cashsouk.sid')?.value], before)
})

test('A silent login without a return address ends at HOME_URL', async (t) => {
  const party = await relyingParty(t, { HOME_URL: 'https://www.example.com/?from=auth' })
  const user = browser()
  const answer = await user.get(await refused(party, user, 'login_required', { prompt: 'none' }), manual)
  t.equal(answer.headers.get('location'), 'https://www.example.com/?from=auth&auth=login_required')
})

for (const [what, address, end] of [
  ['the whole address of /', '/', '?auth=login_required'], ['/ with a query', '/?page=2', '?auth=login_required']
] as const) {
  test(`A silent login that returns to ${what} tells HOME_URL how it ended`, async (t) => {
    const home = 'https://www.example.com/'
    const { url } = await server(t, { HOME_URL: home })
    const user = browser()
    const { callbackUrl } = await reachCallback(user, url, { query: { prompt: 'none' }, returnTo: url + address })
    let page = await user.get(callbackUrl, manual)
    if (page.location?.startsWith(url) === true) page = await user.get(page.location, manual)
    t.equal(page.location, home + end)
  })
}

test('GET / hands on to HOME_URL how a silent login ended, and no other auth', async (t) => {
  const { url } = await server(t, { HOME_URL: 'https://www.example.com/?x=1#top' })
  const location = async (query: string) => (await browser().get(`${url}/${query}`, manual)).location
  t.equal(await location('?auth=consent_required'), 'https://www.example.com/?x=1&auth=consent_required#top')
  const twice = '?auth=login_required&auth=login_required'
  for (const query of ['', '?auth=', '?auth=ok', twice, '?auth[]=login_required']) {
    t.equal(await location(query), 'https://www.example.com/?x=1#top', query)
  }
})

test('A silent step-up that the provider ignores ends at its return address, and changes nothing', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  await party.signIn(user)
  const before = [await party.rows(), user.cookie('cashsouk.sid')?.value]
  const revocations = party.provider.count('revoke')
  party.provider.behaviour = { claims: (all) => ({ ...all, auth_time: seconds() - 4000 }) }

  const login = await user.get(`${party.url}/api/auth/login?max_age=300&prompt=none&returnTo=%2Ftransfer`, manual)
  const authorize = await user.get(login.location ?? '', manual)
  const page = await user.get(authorize.location ?? '', manual)

  t.equal(page.status, 303)
  t.equal(page.headers.get('location'), '/transfer?auth=login_required')
  t.same([await party.rows(), user.cookie('cashsouk.sid')?.value], before)
  t.equal(party.provider.count('revoke'), revocations + 1, 'the new refresh token is revoked')
})

for (const [what, error] of [['refuses', 'access_denied'], ['does not know', 'server_error']] as const) {
  test(`A silent login that the provider ${what} offers one that may ask`, async (t) => {
    const party = await relyingParty(t)
    const user = browser()
    const query = { prompt: 'none', lang: 'ms', max_age: '60' }
    const page = await user.get(await refused(party, user, error, query), manual)
    t.equal(page.status, 401)
    t.same(retried(page), { role: 'INVESTOR', returnTo: '/', lang: 'ms', max_age: '60' })
  })
}

test('A silent login for a role that is not granted offers one that may ask', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url)
  const { callbackUrl } = await reachCallback(user, url, { role: 'ADMIN', query: { prompt: 'none' } })
  const page = await user.get(callbackUrl, manual)
  t.equal(page.status, 403)
  t.same(retried(page), { role: 'ADMIN', returnTo: '/' })
})

test('A silent login never leads to a return address that is not allowed', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  const callbackUrl = await refused(party, user, 'login_required', { prompt: 'none', returnTo: '/offers' })
  await party.database.query(
    'UPDATE session SET sess = replace(sess::text, \'"/offers"\', \'"https://evil.example/"\')::json'
  )
  t.equal((await user.get(callbackUrl, manual)).headers.get('location'), '/?auth=login_required')
})

for (const [what, error, query] of [
  ['another error of a silent login', 'access_denied', { prompt: 'none' }],
  ['a login that was not silent', 'login_required', { prompt: 'login' }],
  ['a login that asked for nothing', 'login_required', {}]
] as [string, string, Record<string, string>][]) {
  test(`For ${what}, the error page stays`, async (t) => {
    const party = await relyingParty(t)
    const user = browser()
    const answer = await user.get(await refused(party, user, error, query), manual)
    t.equal(answer.status, 401)
    t.match(answer.text, /ERR_LOGIN_(REFUSED|CANCELLED)/)
  })
}

test('Another browser cannot use the answer to a silent login', async (t) => {
  const party = await relyingParty(t)
  const callbackUrl = await refused(party, browser(), 'login_required', { prompt: 'none', returnTo: '/offers' })
  t.equal((await browser().get(callbackUrl, manual)).status, 400)
})
