import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { Browser } from '../support/browser.js'
import { database } from '../support/database.js'
import { clientSecret, misbehavingProvider } from '../support/misbehaving-provider.js'
import { RelyingParty } from '../support/relying-party.js'
import { secretMount } from '../support/secret-mount.js'
import { instance } from '../support/server.js'
import { until } from '../support/until.js'

const OLD = 'the old secret of a test and of nothing else'
const NEW = 'the new secret of a test and of nothing else'
const NEW_CLIENT_SECRET = 'the-new-client-secret-of-a-test'
const CHANGED = /"variable":"([A-Z_]+)".*A secret was read again from its file/

/** Two instances on one database, whose secrets are in files. */
async function deployment (t: Test) {
  const [db, provider] = [await database(t), await misbehavingProvider(t)]
  const role = `role_${randomBytes(6).toString('hex')}`
  await db.query(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD 'first'`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  const urlWith = (password: string) => Object.assign(new URL(db.directUrl), { username: role, password }).href
  const secrets = secretMount(t, {
    SESSION_SECRET: `${OLD}\n`, COGNITO_CLIENT_SECRET: clientSecret, DATABASE_URL: urlWith('first')
  })
  const ports = [await freePort(), await freePort()]
  const url = `http://localhost:${ports[0]}`
  const env = (port: number) => ({
    ...provider.env,
    PORT: String(port),
    PUBLIC_URL: url,
    LOG_LEVEL: 'trace',
    LOGIN_RATE_LIMIT: '0',
    COGNITO_CLIENT_SECRET: '',
    SESSION_SECRET_FILE: secrets.path('SESSION_SECRET'),
    COGNITO_CLIENT_SECRET_FILE: secrets.path('COGNITO_CLIENT_SECRET'),
    DATABASE_URL_FILE: secrets.path('DATABASE_URL')
  })
  const instances = await Promise.all(ports.map((port) => instance(t, env(port))))
  const log = () => instances.flatMap((each) => each.log).join('')
  /** Replaces files, and waits until both instances have read them. */
  const change = async (files: Record<string, string>, meanwhile = async () => {}) => {
    const before = instances.map((each) => each.log.length)
    secrets.write(files)
    await meanwhile()
    await until(() => instances.every((each, index) => Object.keys(files).every((name) =>
      each.log.slice(before[index]).some((line) => CHANGED.exec(line)?.[1] === name))))
  }
  const party = new RelyingParty(url, provider, db, [])
  return { db, provider, role, urlWith, ports, url, env, log, change, party }
}

test('A rotation of all secrets under load signs no user out and fails no request', async (t) => {
  const { db, provider, role, urlWith, ports, url, env, log, change, party } = await deployment(t)
  const failed: string[] = []
  const counts = { reads: 0, signIns: 0, signOuts: 0 }
  let isRunning = true
  let isPaused = false
  let writing = 0

  const me = async (user: Browser, port: number | undefined) => {
    const { status, text } = await user.get(`${url}/api/auth/me`, { via: port })
    counts.reads++
    if (status !== 200) failed.push(`me ${status} ${text}`)
  }
  const readers = Array.from({ length: 6 }, () => new Browser())
  for (const reader of readers) t.equal((await party.signIn(reader)).status, 303)
  const reading = readers.map(async (reader) => {
    for (let i = 0; isRunning; i++) {
      await me(reader, ports[i % 2])
      await sleep(10)
    }
  })
  const signing = Array.from({ length: 2 }, async () => {
    for (let i = 0; isRunning; i++) {
      while (isPaused) await sleep(10)
      writing++
      const user = new Browser()
      const signedIn = await party.signIn(user).catch(() => undefined)
      counts.signIns++
      if (signedIn?.status !== 303) failed.push(`sign-in ${signedIn?.status} ${signedIn?.page.text}`)
      await me(user, ports[i % 2])
      const out = await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })
      counts.signOuts++
      if (out.status !== 303) failed.push(`logout ${out.status} ${out.text}`)
      writing--
      await sleep(10)
    }
  })
  /** Ends the connections of both instances. A write that is under way would be lost, and is not repeated. */
  const cut = async () => {
    isPaused = true
    await until(() => writing === 0)
    await db.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1', [role])
    // Both processes, which are this one, learn of it before they write again.
    await sleep(300)
    isPaused = false
    await sleep(300)
  }

  // The file is ahead of the role, then both are the same.
  await change({ DATABASE_URL: urlWith('second') })
  await cut()
  await db.query(`ALTER ROLE ${role} PASSWORD 'second'`)
  await cut()
  // The role is ahead of the file, which is read again as soon as the password is refused.
  await db.query(`ALTER ROLE ${role} PASSWORD 'third'`)
  await change({ DATABASE_URL: urlWith('third') }, cut)

  provider.behaviour = { secrets: [clientSecret, NEW_CLIENT_SECRET] }
  await change({ COGNITO_CLIENT_SECRET: `${NEW_CLIENT_SECRET},${clientSecret}`, SESSION_SECRET: `${OLD},${NEW}` })
  await change({ COGNITO_CLIENT_SECRET: NEW_CLIENT_SECRET, SESSION_SECRET: `${NEW},${OLD}` })
  provider.behaviour = { secrets: [NEW_CLIENT_SECRET] }
  const seen = counts.reads
  await until(() => counts.reads > seen + readers.length * 4)
  await cut()
  await change({ SESSION_SECRET: NEW })
  const after = counts.reads
  await until(() => counts.reads > after + readers.length * 4)
  isRunning = false
  await Promise.all([...reading, ...signing])

  t.same(failed, [])
  t.ok(counts.reads > 200 && counts.signIns > 20, JSON.stringify(counts))
  t.comment(JSON.stringify(counts))
  const alone = await freePort()
  await instance(t, {
    ...env(alone),
    SESSION_SECRET_FILE: '',
    SESSION_SECRET: NEW
  })
  for (const reader of readers) {
    t.equal((await reader.get(`${url}/api/auth/me`, { via: alone })).status, 200, 'signed in with the new secret alone')
  }
  await t.rejects(new pg.Client(urlWith('first')).connect(), { code: '28P01' })
  t.notMatch(log(), /cannot be used|"level":(50|60)/)
  for (const secret of [OLD, NEW, NEW_CLIENT_SECRET, clientSecret, 'third@']) t.notOk(log().includes(secret))
})
