import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { balancer } from '../support/balancer.js'
import { browser } from '../support/browser.js'
import { startChromium } from '../support/chromium.js'
import { cognito } from '../support/cognito.js'
import { database } from '../support/database.js'
import { start } from '../support/process.js'
import { root } from '../support/root.js'
import { NOT_ENDS } from '../support/server.js'

/** Production processes behind a balancer, on one database and one user pool. */
async function fleet (t: Test, size: number, overrides: Record<string, string> = {}, keepAlive = false) {
  const { origin, target, served } = await balancer(t, { keepAlive })
  const db = await database(t)
  // As production has them, so that no instance warns.
  for (const limit of ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']) {
    await db.query(`ALTER DATABASE ${new URL(db.directUrl).pathname.slice(1)} SET ${limit} = '5s'`)
  }
  const pool = await cognito(t, {
    callbackUrl: `${origin}/api/auth/callback`,
    logoutUrl: `${origin}/api/auth/me`
  })
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PUBLIC_URL: origin,
    DATABASE_URL: db.url,
    TRUST_PROXY: '127.0.0.1',
    SESSION_SECRET: 'a secret of a test and of nothing else',
    LOGOUT_URL: `${origin}/api/auth/me`,
    ...pool.env,
    ...overrides
  }
  const boot = async () => {
    const port = await freePort()
    const process_ = start(t, process.execPath, ['dist/src/server.js'], {
      cwd: root,
      env: { ...env, PORT: String(port) }
    })
    await process_.seen(/"ready on/)
    return { port, stop: () => process_.stop(), log: () => process_.stdout() }
  }
  // All start at once on an empty database, and the table is created once.
  const instances = await Promise.all(Array.from({ length: size }, boot))
  const rows = async () =>
    (await db.query(`SELECT sess FROM session WHERE ${NOT_ENDS}`)).map(({ sess }) => sess as Record<string, unknown>)
  return { origin, target, served, instances, boot, rows, db }
}

test('Login and callback may reach different instances', async (t) => {
  const { origin, target, instances: [a, b], rows } = await fleet(t, 2)
  const page = await (await (await startChromium(t)).profile()).newPage()

  target(a?.port ?? 0)
  await page.goto(`${origin}/api/auth/login?role=ISSUER&returnTo=/api/auth/me`)
  t.match(await rows(), [{ state: String, nonce: String, requestedRole: 'ISSUER' }])
  target(b?.port ?? 0)
  await page.locator('button[value=bob]').click()

  t.equal(page.url(), `${origin}/api/auth/me`)
  t.match(JSON.parse((await page.locator('body').textContent()) ?? ''), {
    user: { name: 'Bob Sample' },
    role: 'ISSUER'
  })
  t.match(await rows(), [{ user: { name: 'Bob Sample' }, role: 'ISSUER' }])
  t.match(b?.log(), /"outcome":"ok".*"Token exchange"/)
  t.notMatch(a?.log(), /"Token exchange"/)

  target(a?.port ?? 0, b?.port ?? 0)
  for (let i = 0; i < 6; i++) {
    t.match(await page.goto(`${origin}/api/auth/me`).then((response) => response?.status()), 200)
  }
})

test('Logins and sessions survive a restart of all instances', async (t) => {
  const { origin, target, instances, boot, rows } = await fleet(t, 2)
  const page = await (await (await startChromium(t)).profile()).newPage()
  const restart = async () => {
    t.same(await Promise.all(instances.splice(0).map(({ stop }) => stop())), [0, 0])
    instances.push(...await Promise.all([boot(), boot()]))
    target(...instances.map(({ port }) => port))
  }
  target(...instances.map(({ port }) => port))

  await page.goto(`${origin}/api/auth/login?role=INVESTOR&returnTo=/api/auth/me`)
  await restart()
  await page.locator('button[value=alice]').click()
  t.match(JSON.parse((await page.locator('body').textContent()) ?? ''), {
    user: { name: 'Alice Sample' },
    role: 'INVESTOR'
  })

  await restart()
  await page.goto(`${origin}/api/auth/me`)
  t.match(JSON.parse((await page.locator('body').textContent()) ?? ''), {
    user: { name: 'Alice Sample' },
    role: 'INVESTOR'
  })
  t.equal((await rows()).length, 1)

  const logout: unknown = await (
    await page.request.post(`${origin}/api/auth/logout`, {
      headers: { accept: 'application/json', origin }
    })
  ).json()
  t.match(logout, { logoutUrl: String })
  t.same(await rows(), [])
})

test('Ten instances start at once on an empty database', async (t) => {
  const { origin, target, instances, db } = await fleet(t, 10)
  target(...instances.map(({ port }) => port))

  const statuses = await Promise.all(
    Array.from(
      { length: 20 },
      async () => (await browser().get(`${origin}/api/auth/login`, { redirect: 'manual' })).status
    )
  )

  t.same(statuses, Array(20).fill(302))
  t.match(await db.query('SELECT count(*)::int AS count FROM session'), [{ count: 20 }])
  for (const { log } of instances) t.notMatch(log(), /"level":(40|50|60)/)
})

test('A table that is dropped at run time is created again', async (t) => {
  const { origin, target, instances, db } = await fleet(t, 2)
  target(...instances.map(({ port }) => port))

  await db.query('DROP TABLE session')
  const statuses = await Promise.all(
    Array.from(
      { length: 10 },
      async () => (await browser().get(`${origin}/api/auth/login`, { redirect: 'manual' })).status
    )
  )

  t.same(statuses, Array(10).fill(302))
  t.match(await db.query('SELECT count(*)::int AS count FROM session'), [{ count: 10 }])
})

for (const keepAlive of [false, true]) {
  test(`Rolling restarts fail no request${keepAlive ? ' over kept connections' : ''}`, async (t) => {
    await rollingRestarts(t, keepAlive)
  })
}

async function rollingRestarts (t: Test, keepAlive: boolean): Promise<void> {
  const { origin, target, instances, boot } = await fleet(t, 2, { DRAIN_SECONDS: '2' }, keepAlive)
  const ready = () => { target(...instances.map(({ port }) => port)) }
  ready()
  let running = true
  const statuses = new Map<number, number>()
  const clients = Array.from({ length: 10 }, async () => {
    while (running) {
      const { status } = await fetch(`${origin}/api/auth/me`)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })

  for (let i = 0; i < 2; i++) {
    const old = instances.shift()
    // Like a balancer after a failed probe: no new requests go there, and those in flight finish.
    const stopped = old?.stop()
    await new Promise((resolve) => { setTimeout(resolve, 500) })
    ready()
    t.equal(await stopped, 0)
    instances.push(await boot())
    ready()
  }
  running = false
  await Promise.all(clients)

  t.same([...statuses.keys()], [401], JSON.stringify([...statuses]))
  t.ok((statuses.get(401) ?? 0) > 100)
}
