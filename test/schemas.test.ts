/** The schemas that the server compiles without checking them. @module */
import { Ajv } from 'ajv'
import Fastify, { type FastifySchema } from 'fastify'
import { test, type Test } from 'tap'
import { ENV } from '../local/openapi/document.js'
import app, { options } from '../src/app.js'
import { loadConfig } from '../src/config.js'
import { separator } from '../src/environment.js'
import { environmentSchema } from '../src/variables.js'

const ajv = new Ajv({ keywords: [separator] })

/** What switches on every route. */
const EVERYTHING = {
  ...ENV, PUBLIC_URL: 'https://auth.example.com', COOKIE_NAME: '__Host-session', DEVICE_BOUND_SESSIONS: 'on'
}

function isSchema (t: Test, schema: object, name: string): void {
  t.equal(ajv.validateSchema(schema), true, `${name}: ${ajv.errorsText(ajv.errors)}`)
}

test('What is no schema is noticed', async (t) => {
  t.equal(ajv.validateSchema({ properties: { a: { type: 'text' } } }), false)
  t.equal(ajv.validateSchema({ required: 'a' }), false)
})

test('The schema of the environment is a JSON Schema', async (t) => {
  isSchema(t, environmentSchema, 'environment')
})

test('The schemas of all routes are JSON Schemas', async (t) => {
  const fastify = Fastify(options)
  t.teardown(() => fastify.close())
  const routes: { name: string, schema: FastifySchema }[] = []
  fastify.addHook('onRoute', ({ method, url, schema }) => {
    if (schema !== undefined) routes.push({ name: `${method.toString()} ${url}`, schema })
  })
  await fastify.register(app, { config: loadConfig(EVERYTHING) })
  await fastify.ready()
  for (const path of ['/api/auth/device/register', '/api/auth/cognito-events', '/oauth2/auth']) {
    t.ok(routes.some(({ name }) => name.endsWith(` ${path}`)), path)
  }

  let seen = 0
  for (const { name, schema: { body, querystring, params, headers, response = {} } } of routes) {
    const parts = Object.entries({ body, querystring, params, headers, ...response as object })
    for (const [part, schema] of parts as [string, object | undefined][]) {
      if (schema === undefined) continue
      isSchema(t, schema, `${name} ${part}`)
      seen++
    }
  }
  t.ok(seen > 100, `${seen} schemas`)
})
