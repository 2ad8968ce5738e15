import Fastify from 'fastify'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { browser, signIn } from '../support/browser.js'
import { database } from '../support/database.js'
import { manyIterations } from '../support/many-iterations.js'
import { server } from '../support/server.js'
import { throughUnixSocket } from '../support/unix-socket.js'
import { until } from '../support/until.js'

/** The log of an application that has started and could not reach its database. */
async function logOf (t: Test, DATABASE_URL: string): Promise<string> {
  const log: string[] = []
  const fastify = Fastify({
    ...options, loggerInstance: pino({ level: 'trace' }, { write: (line: string) => { log.push(line) } })
  })
  t.teardown(() => fastify.close())
  const config = loadConfig({
    DATABASE_URL,
    SESSION_SECRET: 'a secret of a test and of nothing else',
    COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
    COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
    COGNITO_CLIENT_ID: '1example23456789',
    COGNITO_CLIENT_SECRET: 'client-secret-of-a-test'
  })
  await fastify.register(app, { config })
  await fastify.ready()
  await fastify.inject('/health/ready')
  await until(async () => log.some((line) => line.includes('Could not check the session table')))
  return log.join('')
}

test('The server reaches PostgreSQL through a Unix socket, as Cloud SQL has it', async (t) => {
  const { url } = await database(t)
  const setup = await server(t, { DATABASE_URL: await throughUnixSocket(t, url) })
  const user = browser()
  await signIn(user, setup.url)
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('A password with too many iterations is named at the start, with the parameter that permits it', async (t) => {
  const url = await manyIterations(t, await database(t))
  if (url === undefined) {
    t.comment('this PostgreSQL has no scram_iterations')
    return
  }
  t.match(await logOf(t, url), /set the connection string's parameter scramMaxIterations to 200000/)
  const setup = await server(t, { DATABASE_URL: `${url}?scramMaxIterations=200000` })
  t.equal((await fetch(`${setup.url}/health/ready`)).status, 200)
})

for (const [what, url] of Object.entries({
  'an unknown host': 'postgres://hidden:hidden@hidden.invalid:1234/hidden',
  'a refused connection': 'postgres://hidden:hidden@127.0.0.2:1/hidden',
  'a missing Unix socket': 'postgres://hidden:hidden@/hidden?host=/hidden'
})) {
  test(`The log has no part of DATABASE_URL after ${what}`, async (t) => {
    t.notMatch(await logOf(t, url), /hidden|127\.0\.0\.2/)
  })
}

test('The log has no part of DATABASE_URL after a refused password', async (t) => {
  const { directUrl } = await database(t)
  const url = Object.assign(new URL(directUrl), { username: 'hidden-user', password: 'hidden' }).href
  const log = await logOf(t, url)
  t.match(log, /28P01/)
  t.notMatch(log, /hidden/)
})
