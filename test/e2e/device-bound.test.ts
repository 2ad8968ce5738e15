import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { BrowserContext, Page } from 'playwright-core'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import type { DeviceEvent } from '../../plugins/device-bound.js'
import { serve } from '../support/agent.js'
import { persistentChromium, profileFolder } from '../support/chromium.js'
import { sinceSignIn } from '../support/pass.js'
import { instance, server, type Setup } from '../support/server.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'
import { tlsFront, type TlsFront } from '../support/tls-front.js'
import { until } from '../support/until.js'

const HOST = 'auth.example.test'
const BOUND = '__Host-cashsouk.sid.bound'

/** Chromium on Linux has no keys that cannot be copied: these are in a file. The quota is for people. */
const FEATURES = [
  'DeviceBoundSessions:RefreshQuota/false', 'EnableBoundSessionCredentialsSoftwareKeysForManualTesting'
]
const DEVICE_ARGS = [`--enable-features=${FEATURES.join()}`]

interface Site { origin: string, setup: Setup, front: TlsFront, events: DeviceEvent[] }

/** The server behind TLS. */
async function site (t: Test, env: Record<string, string> = {}): Promise<Site> {
  const port = await freePort()
  const origin = `https://${HOST}:${port}`
  const front = await tlsFront(t, HOST, port)
  const setup = await server(t, {
    PUBLIC_URL: origin, DEVICE_BOUND_SESSIONS: 'on', TRUST_PROXY: '127.0.0.1', ...env
  })
  front.target = Number(setup.env.PORT)
  const events: DeviceEvent[] = []
  const keep = (event: unknown): void => { events.push(event as DeviceEvent) }
  subscribe('cashsouk-auth:device', keep)
  t.teardown(() => unsubscribe('cashsouk-auth:device', keep))
  return { origin, setup, front, events }
}

const chromium = async (t: Test, { front }: Site, { dir = '', hasDevice = true } = {}) =>
  persistentChromium(t, dir === '' ? await profileFolder(t) : dir, [...front.args, ...(hasDevice ? DEVICE_ARGS : [])])

async function signIn (context: BrowserContext, { origin }: Site, role = 'INVESTOR', person = 'alice'): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${origin}/api/auth/login?role=${role}`)
  // The provider remembers who has signed in there.
  if (!page.url().startsWith(origin)) await page.locator(`button[value=${person}]`).click()
  await page.waitForURL(`${origin}/**`)
  return page
}

const count = ({ events }: Site, outcome: string): number => events.filter((event) => event.outcome === outcome).length

const registered = async (place: Site, times = 1): Promise<void> =>
  until(() => count(place, 'registered') === times)

/** Who a page of the site is told that is signed in. */
const me = (page: Page) => page.evaluate(async () => {
  const answer = await fetch('/api/auth/me')
  const { reason, deviceBound } = await answer.json() as { reason?: string, deviceBound?: boolean }
  return { status: answer.status, reason, deviceBound }
})

const SIGNED_IN = { status: 200, reason: undefined, deviceBound: true }
const REFUSED = { status: 401, reason: 'device', deviceBound: undefined }

/** As after ten minutes: the browser drops the cookie. */
const expire = async (context: BrowserContext): Promise<void> => context.clearCookies({ name: BOUND })

const heading = (page: Page) => page.locator('h1').textContent()

test('a browser binds its session and renews its cookie by itself', async (t) => {
  const place = await site(t)
  const context = await chromium(t, place)
  const page = await signIn(context, place)
  await registered(place)
  t.same(await me(page), SIGNED_IN)

  await t.test('once it has run out, for a script', async (t) => {
    await expire(context)
    t.same(await me(page), SIGNED_IN)
    t.equal(count(place, 'refreshed'), 1)
  })

  await t.test('once for ten requests at the same time', async (t) => {
    await expire(context)
    const before = count(place, 'refreshed')
    const statuses = await page.evaluate(async () => Promise.all(Array.from({ length: 10 }, async () =>
      (await fetch('/api/auth/me')).status)))
    t.same(statuses, Array(10).fill(200))
    t.equal(count(place, 'refreshed'), before + 1)
  })

  await t.test('for a reload, a typed address and Back', async (t) => {
    await expire(context)
    await page.reload()
    t.equal(await heading(page), 'Signed in as Alice Sample')
    await expire(context)
    await page.goto(`${place.origin}/api/auth/account`)
    t.equal(await heading(page), 'Your sessions')
    t.match(await page.locator('main').textContent(), 'Bound to its device')
    await expire(context)
    await page.goBack()
    t.equal(await heading(page), 'Signed in as Alice Sample')
  })

  await t.test('for a link on a page of another site', async (t) => {
    const mail = await serve(t, (_request, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><title>Mail</title><a href="${place.origin}/api/auth/account">link</a>`)
    })
    await page.goto(mail.replace('127.0.0.1', 'mail.test'))
    await expire(context)
    await page.getByText('link').click()
    await page.waitForURL(`${place.origin}/**`)
    t.equal(await heading(page), 'Your sessions')
  })

  t.equal(count(place, 'refused'), 0)
  t.equal(count(place, 'missing') + count(place, 'copied'), 0)
})

test('a browser that is started again goes on', async (t) => {
  const place = await site(t)
  const dir = await profileFolder(t)
  const first = await chromium(t, place, { dir })
  const page = await signIn(first, place)
  await registered(place)
  await sleep(1000) // Chromium writes its profile from time to time.
  await expire(first)
  await page.goto('about:blank')
  await first.close()
  const second = await chromium(t, place, { dir })
  const again = await second.newPage()
  await again.goto(place.origin)
  t.equal(await heading(again), 'Signed in as Alice Sample')
  t.same(await me(again), SIGNED_IN)
  t.ok(count(place, 'refreshed') > 0)
})

test('every instance is started again between the challenge and the proof', async (t) => {
  const place = await site(t)
  const { setup, front } = place
  const context = await chromium(t, place)
  const page = await signIn(context, place)
  await registered(place)
  // The challenge that the browser was given in advance is then no longer good.
  await setup.database.query(`
    UPDATE session
    SET sess = regexp_replace(sess::text, '"spent":\\d+', '"spent":' || floor(date_part('epoch', now()) * 1000))::json`)
  let restarted: FastifyInstance | undefined
  front.beforeAnswer = async ({ path, status }) => {
    if (restarted !== undefined || path !== '/api/auth/device/refresh' || status !== 403) return
    const next = await instance(t, { ...setup.env, PORT: String(await freePort()) })
    restarted = next.fastify
    front.target = (next.fastify.server.address() as AddressInfo).port
    await setup.fastify.close()
  }
  await expire(context)
  t.same(await me(page), SIGNED_IN)
  t.ok(restarted !== undefined)
})

test('after a sign-out, the browser forgets its side at the next refresh', async (t) => {
  const place = await site(t)
  const context = await chromium(t, place)
  const page = await signIn(context, place)
  await registered(place)
  await page.getByText('Sign out').click()
  await page.waitForURL(`${place.origin}/`)
  await me(page)
  const refreshes = () => place.front.passed.filter(({ path }) => path === '/api/auth/device/refresh')
  t.equal(refreshes().at(-1)?.status, 401)
  const before = refreshes().length
  for (let i = 0; i < 3; i++) await me(page)
  t.equal(refreshes().length, before, 'it asks no more')
})

test('after a second sign-in, the new session is bound and the first one forgotten', async (t) => {
  const place = await site(t)
  const context = await chromium(t, place)
  await signIn(context, place)
  await registered(place)
  const page = await signIn(context, place, 'ISSUER')
  await registered(place, 2)
  t.same(await me(page), SIGNED_IN)
  await expire(context)
  t.same(await me(page), SIGNED_IN)
  const refreshes = place.front.passed.filter(({ path }) => path === '/api/auth/device/refresh')
  const statuses = refreshes.map(({ status }) => status)
  t.ok(statuses.includes(401), 'the first')
  t.ok(statuses.includes(200), 'the second')
})

test('a role that requires a device gets in with one, and otherwise to a page that says so', async (t) => {
  const place = await site(t, { DEVICE_BOUND_SESSIONS: 'required:ADMIN' })
  const context = await chromium(t, place)
  const page = await signIn(context, place, 'ADMIN', 'carol')
  await page.waitForURL(`${place.origin}/`)
  t.equal(await heading(page), 'Signed in as Carol Sample')
  t.same(await me(page), SIGNED_IN)

  const other = await chromium(t, place, { hasDevice: false })
  const refused = await signIn(other, place, 'ADMIN', 'carol')
  t.match(refused.url(), '/api/auth/device?')
  t.same(await me(refused), REFUSED)
  t.equal(await heading(refused), 'One moment')
  await sinceSignIn(place.setup, 31)
  await refused.getByText('Please use another browser').waitFor()
  t.same(await me(refused), REFUSED)
})

test('copied cookies are refused at every instance, and the browser goes on', async (t) => {
  const place = await site(t)
  const { origin, setup, front } = place
  const context = await chromium(t, place)
  const page = await signIn(context, place)
  await registered(place)
  const copied = await context.cookies(origin)
  const thief = await chromium(t, place)
  await thief.addCookies(copied)
  const stolen = await thief.newPage()
  await stolen.goto(`${origin}/health/live`)
  t.equal((await me(stolen)).status, 200, 'for the rest of the ten minutes')
  await expire(thief)
  const second = await instance(t, { ...setup.env, PORT: String(await freePort()) })
  for (const target of [Number(setup.env.PORT), (second.fastify.server.address() as AddressInfo).port]) {
    front.target = target
    t.same(await me(stolen), REFUSED)
    await stolen.goto(`${origin}/api/auth/account`)
    await stolen.getByText('Your browser could not be confirmed').waitFor()
  }
  t.ok(count(place, 'copied') > 0)
  await expire(context)
  t.same(await me(page), SIGNED_IN, 'the browser of the session')
  await page.goto(`${origin}/api/auth/account`)
  t.match(await page.locator('main').textContent(), 'Used without its device')
})

test('while the database or Cognito is away, a browser keeps its side', async (t) => {
  const postgres = await stoppablePostgres(t)
  const place = await site(t, { DATABASE_URL: postgres.url })
  const context = await chromium(t, place)
  const page = await signIn(context, place)
  await registered(place)
  place.setup.cognito.fault({ token: 'hang' })
  await expire(context)
  t.same(await me(page), SIGNED_IN, 'without Cognito')
  await expire(context)
  await postgres.stop()
  t.equal((await me(page)).status, 503)
  await postgres.start()
  t.same(await me(page), SIGNED_IN, 'the database is back')
})

test('a browser without device-bound sessions is signed in as ever', async (t) => {
  const place = await site(t)
  const context = await chromium(t, place, { hasDevice: false })
  const page = await signIn(context, place)
  t.same(await me(page), { status: 200, reason: undefined, deviceBound: false })
  await expire(context)
  t.same(await me(page), { status: 200, reason: undefined, deviceBound: false })
  t.equal(place.events.length, 0)
})
