import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { browser, signIn } from '../support/browser.js'
import { database } from '../support/database.js'
import { accessKeyId, rdsStandIn, secretAccessKey } from '../support/rds.js'
import { poolOf, server } from '../support/server.js'
import { silentHost } from '../support/two-servers.js'
import { until } from '../support/until.js'

const REGION = 'eu-west-1'

/** The process has these variables of AWS until the end of the test, and no others. */
function aws (t: Test, variables: Record<string, string>): void {
  const before = process.env
  const others = Object.entries(before).filter(([name]) => !name.startsWith('AWS_'))
  process.env = {
    ...Object.fromEntries(others),
    AWS_REGION: REGION,
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    AWS_EC2_METADATA_DISABLED: 'true',
    ...variables
  }
  t.teardown(() => { process.env = before })
}

const CREDENTIALS = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }

async function withStandIn (t: Test) {
  const rds = await rdsStandIn(t, (await database(t)).directUrl, REGION)
  const setup = await server(t, { DATABASE_URL: rds.url, DATABASE_AUTH: 'rds-iam' })
  const ready = async () => (await fetch(`${setup.url}/health/ready`)).status
  return { rds, ready, ...setup }
}

test('With DATABASE_AUTH=rds-iam the password is a token that AWS would accept, and people sign in', async (t) => {
  aws(t, CREDENTIALS)
  const { rds, url, log, fastify, ready } = await withStandIn(t)
  const user = browser()
  await signIn(user, url)
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
  t.ok(rds.tokens.length >= 1)
  rds.cut()
  await until(() => poolOf(fastify).totalCount === 0)
  t.equal(await ready(), 200)
  t.same(new Set(rds.tokens.map(({ problem }) => problem)), new Set([undefined]))
  t.equal(new Set(rds.tokens.map(({ token }) => token)).size, 1, 'connections share a token')
  for (const secret of [secretAccessKey, 'X-Amz-Signature']) t.notOk(log.join('').includes(secret))
})

test('After a token was refused, a new one is signed before the request fails', async (t) => {
  aws(t, CREDENTIALS)
  const { rds, ready, fastify, log } = await withStandIn(t)
  t.equal(await ready(), 200)
  rds.refuse(true)
  rds.cut()
  await until(() => poolOf(fastify).totalCount === 0)
  const before = rds.tokens.length
  await sleep(1100) // a token has the second in which it was signed
  t.equal(await ready(), 503)
  // The watch of the database connects as well.
  t.ok(rds.tokens.length >= before + 2, `${rds.tokens.length - before}`)
  t.not(rds.tokens.at(-1)?.token, rds.tokens.at(-2)?.token)
  t.match(log.join(''), /28000/)
  rds.refuse(false)
  t.equal(await ready(), 200)
})

for (const [what, variables] of Object.entries({
  'there are no credentials': async () => ({}),
  'the credentials do not come': async (t: Test) => ({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${(await silentHost(t)).host}/credentials`
  })
})) {
  test(`When ${what}, requests answer 503 in time, and the log names AWS`, async (t) => {
    aws(t, await variables(t))
    const rds = await rdsStandIn(t, (await database(t)).directUrl, REGION)
    const log: string[] = []
    const fastify = Fastify({
      ...options, loggerInstance: pino({ level: 'trace' }, { write: (line: string) => { log.push(line) } })
    })
    t.teardown(() => fastify.close())
    await fastify.register(app, {
      config: loadConfig({
        DATABASE_URL: rds.url,
        DATABASE_AUTH: 'rds-iam',
        SESSION_SECRET: 'a secret of a test and of nothing else',
        COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
        COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
        COGNITO_CLIENT_ID: '1example23456789'
      })
    })
    await fastify.ready()
    const beganMs = performance.now()
    t.equal((await fastify.inject('/health/ready')).statusCode, 503)
    t.ok(performance.now() - beganMs < 5500)
    t.match(log.join(''), /rds-iam: no (token: CredentialsProviderError|AWS credentials within)/)
    t.same(rds.tokens, [])
  })
}
