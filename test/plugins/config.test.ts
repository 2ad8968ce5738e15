import Fastify from 'fastify'
import { test, type Test } from 'tap'
import configuration from '../../plugins/config.js'
import { loadConfig } from '../../src/config.js'

const env = {
  DATABASE_URL: 'postgres://127.0.0.1/auth',
  SESSION_SECRET: 'a secret of a test and of nothing else',
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
  COGNITO_CLIENT_ID: '1example23456789',
  COGNITO_CLIENT_SECRET: 'client-secret-of-a-test'
}

/** The process has these variables alone until the end of the test. */
function environment (t: Test, variables: NodeJS.ProcessEnv): void {
  const before = process.env
  process.env = { ...variables }
  t.teardown(() => { process.env = before })
}

test('a given configuration is used', async (t) => {
  environment(t, {})
  const config = loadConfig(env)
  const fastify = Fastify()
  t.teardown(() => fastify.close())

  await fastify.register(configuration, { config })

  t.equal(fastify.config, config)
})

test('the configuration defaults to the environment', async (t) => {
  environment(t, { ...env, LOGIN_RATE_LIMIT: '7' })
  const fastify = Fastify()
  t.teardown(() => fastify.close())

  await fastify.register(configuration)

  t.same(fastify.config, loadConfig({ ...env, LOGIN_RATE_LIMIT: '7' }))
})

test('an invalid environment stops the start and lists the problems', async (t) => {
  environment(t, { ...env, SESSION_TTL: '0', PORT: 'x' })
  const fastify = Fastify()
  t.teardown(() => fastify.close())

  await t.rejects(async () => { await fastify.register(configuration) }, {
    code: 'ERR_CONFIG', message: /\nPORT .*\n(.*\n)*SESSION_TTL /
  })
})

test('an encapsulated plugin sees the same configuration', async (t) => {
  const config = loadConfig(env)
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(configuration, { config })

  await fastify.register(async (scope) => { t.equal(scope.config, config) })
})
