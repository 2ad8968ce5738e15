import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyPluginAsync } from 'fastify'
import { test, type Test } from 'tap'
import { innerOf } from '../../plugins/host.js'
import { browser, reachCallback, signIn, type Browser } from '../support/browser.js'
import { database } from '../support/database.js'
import { embedded } from '../support/embedded.js'
import { clientSecret } from '../support/misbehaving-provider.js'
import { relyingParty } from '../support/relying-party.js'
import { secretMount } from '../support/secret-mount.js'
import { poolOf, server } from '../support/server.js'
import { until } from '../support/until.js'

const OLD = 'the old secret of a test and of nothing else'
const NEW = 'the new secret of a test and of nothing else'

const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/token', async (request) => request.accessToken())
}

/** A server with SESSION_SECRET in a file. `rotate` writes it, and has it read at once. */
async function rotating (t: Test) {
  const mount = secretMount(t, { secret: OLD })
  const setup = await server(t, { SESSION_SECRET: '', SESSION_SECRET_FILE: mount.path('secret') }, routes)
  const rotate = async (...secrets: string[]) => {
    mount.write({ secret: secrets.join() })
    await innerOf(setup.fastify).secretFiles?.look()
  }
  return { ...setup, rotate }
}

test('A session, its row, its cookie and its tokens move to a secret that is prepended while the server runs',
  async (t) => {
    const { url, database, log, rotate } = await rotating(t)
    const user = browser()
    await signIn(user, url)
    const token = (await user.get(`${url}/token`)).text
    const row = async () => (await database.query('SELECT sid, sess::text FROM session'))[0] as
      { sid: string, sess: string }
    const [cookie, before] = [user.cookie('cashsouk.sid')?.value, await row()]

    await rotate(NEW, OLD)
    t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
    t.not(user.cookie('cashsouk.sid')?.value, cookie)
    const moved = await row()
    t.not(moved.sid, before.sid)
    t.not(moved.sess, before.sess)
    await rotate(NEW)

    t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
    t.equal((await user.get(`${url}/token`)).text, token)
    t.equal((await user.get(`${url}/api/auth/verify`)).status, 200)
    t.equal((await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)
    t.notMatch(log.join(''), /"level":(50|60)|ould not/)
  })

test('With the old secret gone from the file, a session that was not used since ends', async (t) => {
  const { url, rotate } = await rotating(t)
  const user = browser()
  await signIn(user, url)
  await rotate(NEW)
  t.equal((await user.get(`${url}/api/auth/me`)).status, 401)
  t.equal((await user.get(`${url}/api/auth/verify`)).status, 401)
})

test('A proxy\'s look at a session follows the file', async (t) => {
  const { url, rotate } = await rotating(t)
  const user = browser()
  await signIn(user, url)
  t.equal((await user.get(`${url}/api/auth/verify`)).status, 200)
  await rotate(NEW, OLD)
  t.equal((await user.get(`${url}/api/auth/verify`)).status, 200)
  await signIn(user, url)
  await rotate(NEW)
  t.equal((await user.get(`${url}/api/auth/verify`)).status, 200)
})

test('A login that started before the file changed finishes, and a lost one is started again', async (t) => {
  const { url, database, rotate } = await rotating(t)
  const [user, other, late] = [browser(), browser(), browser()]
  const { callbackUrl } = await reachCallback(user, url, { role: 'ISSUER' })
  const lost = await reachCallback(other, url, { role: 'ISSUER', returnTo: '/somewhere' })
  const tooLate = await reachCallback(late, url, { role: 'ISSUER', returnTo: '/somewhere' })
  await rotate(NEW, OLD)
  t.equal((await user.get(callbackUrl, { redirect: 'manual' })).status, 303)
  await database.query('DELETE FROM session WHERE sess -> \'state\' IS NOT NULL')
  const again = async (who: Browser, callback: string) => {
    who.clearCookies()
    return (await who.get(callback, { redirect: 'manual', headers: { accept: 'text/html' } })).text
  }
  t.match(await again(other, lost.callbackUrl), /returnTo&#61;%2Fsomewhere/)
  await rotate(NEW)
  t.notMatch(await again(late, tooLate.callbackUrl), /somewhere/, 'what the old secret signed counts no longer')
})

test('A client secret that is replaced in its file is sent from then on', async (t) => {
  const mount = secretMount(t, { secret: 'an-old-client-secret' })
  const party = await relyingParty(t, {
    COGNITO_CLIENT_SECRET: '', COGNITO_CLIENT_SECRET_FILE: mount.path('secret')
  })
  t.match(await party.signIn(), { status: 502, code: 'ERR_COGNITO_ANSWER' })
  mount.write({ secret: `${clientSecret}\n` })
  await until(() => party.log.some((line) => line.includes('A secret was read again from its file')))
  t.equal((await party.signIn()).status, 303)
  mount.write({ secret: `another,${clientSecret}` })
  await until(() => party.log.filter((line) => line.includes('A secret was read again')).length === 2)
  t.equal((await party.signIn()).status, 303)
  for (const secret of ['an-old-client-secret', clientSecret]) t.notOk(party.log.join('').includes(secret))
})

/** A server whose role and DATABASE_URL_FILE have the password `first`. */
async function withRole (t: Test) {
  const db = await database(t)
  const role = `role_${randomBytes(6).toString('hex')}`
  await db.query(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD 'first'`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  const urlWith = (password: string) => Object.assign(new URL(db.directUrl), { username: role, password }).href
  const mount = secretMount(t, { secret: urlWith('first') })
  const setup = await server(t, { DATABASE_URL: '', DATABASE_URL_FILE: mount.path('secret') })
  const pool = poolOf(setup.fastify)
  return {
    ...setup,
    pool,
    write: (password: string) => { mount.write({ secret: urlWith(password) }) },
    alter: (password: string) => db.query(`ALTER ROLE ${role} PASSWORD '${password}'`),
    /** Ends the connections of the server, and waits until it knows. */
    cut: async () => {
      await db.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1', [role])
      await until(() => pool.totalCount === 0)
    },
    ready: async () => (await fetch(`${setup.url}/health/ready`)).status
  }
}

test('After the password was refused, it is read from the file before the request fails', async (t) => {
  const { write, alter, cut, ready, log } = await withRole(t)
  t.equal(await ready(), 200)
  await alter('second')
  write('second')
  await cut()
  t.equal(await ready(), 200, 'at once: no look was due')
  t.notMatch(log.join(''), /28P01/)
})

test('While the file is ahead of the role, the former password is used', async (t) => {
  const { fastify, write, alter, cut, ready } = await withRole(t)
  write('second')
  await innerOf(fastify).secretFiles?.look()
  await cut()
  t.equal(await ready(), 200)
  await alter('second')
  await cut()
  t.equal(await ready(), 200)
  await cut()
  t.equal(await ready(), 200)
})

test('A password that neither the file nor the former one is answers 503, and names the reason', async (t) => {
  const { alter, write, cut, ready, log } = await withRole(t)
  await alter('second')
  await cut()
  t.equal(await ready(), 503)
  t.match(log.join(''), /28P01/)
  write('second')
  t.equal(await ready(), 200)
})

test('A file that becomes unusable is told in the log by its variable, without its content', async (t) => {
  const { fastify, log, rotate } = await rotating(t)
  await rotate('hidden')
  await innerOf(fastify).secretFiles?.look()
  const lines = log.filter((line) => line.includes('A changed secret cannot be used; the former one stays'))
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0] ?? ''), { level: 40, variable: 'SESSION_SECRET', reason: /^must be a comma-separated/ })
  t.notMatch(log.join(''), /hidden/)
})

test('A server that is closed reads its files no more', async (t) => {
  const mount = secretMount(t, { secret: OLD })
  const { fastify } = await server(t, { SESSION_SECRET: '', SESSION_SECRET_FILE: mount.path('secret') })
  const { config } = fastify.cashsoukAuth
  await fastify.close()
  mount.write({ secret: NEW })
  await sleep(2500)
  t.same(config.SESSION_SECRET, [OLD])
})

test('In an application, the option of a file is followed, too', async (t) => {
  const mount = secretMount(t, { secret: OLD })
  const options = { sessionSecret: undefined, sessionSecretFile: mount.path('secret') }
  const { url, app } = await embedded(t, { options })
  const user = browser()
  await signIn(user, url)
  for (const secrets of [`${NEW},${OLD}`, NEW]) {
    mount.write({ secret: secrets })
    await innerOf(app).secretFiles?.look()
    t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
    t.same(app.cashsoukAuth.config.SESSION_SECRET, secrets.split(','))
  }
})

test('Without files there is no watch', async (t) => {
  const { fastify } = await server(t)
  t.equal(innerOf(fastify).secretFiles, null)
})
