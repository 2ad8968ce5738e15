import { test } from 'tap'
import { browser, reachCallback, signIn } from '../../../support/browser.js'
import { relyingParty, type RelyingParty } from '../../../support/relying-party.js'
import { sharedServer } from '../../../support/server.js'

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

for (const error of ['login_required', 'interaction_required', 'consent_required']) {
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
