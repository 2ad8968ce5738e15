import { readdir, readFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { Validator } from '@seriousme/openapi-schema-validator'
import Fastify from 'fastify'
import { test } from 'tap'
import { ENV, openApiDocument } from '../../local/openapi/document.js'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { rootUrl } from '../support/root.js'

interface Operation {
  operationId: string
  summary?: string
  tags?: string[]
  responses: Record<string, { description: string, content?: Record<string, Content> }>
}
interface Content { schema: { type?: string }, example?: object, examples?: Record<string, { value: object }> }
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

const text = await readFile(new URL('docs/openapi.json', rootUrl), 'utf8')
const document = JSON.parse(text) as Document
const operations = Object.entries(document.paths).flatMap(
  ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation }))
)

/** The codes of an operation, but those of Fastify and ERR_INTERNAL, which any route has. */
const codesOf = ({ responses }: Operation): string[] => Object.values(responses)
  .flatMap(({ content }) => Object.keys(content?.['application/json']?.examples ?? {}))
  .filter((code) => code.startsWith('ERR_') && code !== 'ERR_INTERNAL')

test('docs/openapi.json is what the routes say: npm run openapi', async (t) => {
  t.equal(await openApiDocument(), text)
})

test('docs/openapi.json is a valid OpenAPI 3.1 document', async (t) => {
  t.match(await new Validator().validate(text), { valid: true, errors: undefined })
  t.equal(document.openapi, '3.1.0')
})

test('The document has every route of the server, and no other', async (t) => {
  const routes: string[] = []
  const fastify = Fastify(options)
  t.teardown(() => fastify.close())
  fastify.addHook('onRoute', ({ method, url }) => {
    routes.push(`${Array.isArray(method) ? 'GET' : method} ${url}`)
  })
  await fastify.register(app, { config: loadConfig(ENV) })

  const described = operations.map(
    ({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
  )
  const own = ['openapi.json', 'reference', 'reference/*'].map((path) => `GET /api/auth/${path}`)
  t.same(routes.filter((route) => !route.startsWith('HEAD ')).sort(), [...described, ...own].sort())
})

test('Each operation has an id of its own, a summary, and tags that the document explains', (t) => {
  const ids = operations.map(({ operationId }) => operationId)
  t.same(ids, [...new Set(ids)])
  const tags = (document as unknown as { tags: { name: string }[] }).tags.map(({ name }) => name)
  for (const { operationId, summary, tags: [tag = '', ...more] = [] } of operations) {
    t.ok(summary !== undefined && summary !== '', operationId)
    t.ok(tags.includes(tag) && more.length === 0, operationId)
  }
  t.end()
})

test('Each answer with JSON has an example that its schema allows', (t) => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ ...document, $id: 'document' })
  let count = 0
  for (const { operationId, responses } of operations) {
    for (const [status, { content = {} }] of Object.entries(responses)) {
      const { 'application/json': answer } = content
      if (answer === undefined) continue
      const schema = JSON.parse(JSON.stringify(answer.schema).replaceAll('"#/', '"document#/')) as object
      const values = answer.example === undefined ? [] : [answer.example]
      values.push(...Object.values(answer.examples ?? {}).map(({ value }) => value))
      t.ok(values.length > 0, `${operationId} ${status} has an example`)
      for (const value of values) {
        t.ok(ajv.validate(schema, value), `${operationId} ${status}: ${ajv.errorsText()}`)
        count++
      }
    }
  }
  t.ok(count > 40)
  t.end()
})

test('The codes of each route are those of its @throws', async (t) => {
  // Only browsers call the routes of devices, which are there with DEVICE_BOUND_SESSIONS alone: docs/device-bound.md.
  const files = (await readdir(new URL('routes/', rootUrl), { recursive: true }))
    .filter((name) => name.endsWith('.ts') && !name.startsWith('api/auth/device'))
  const found: string[] = []
  for (const file of files) {
    const source = await readFile(new URL(`routes/${file}`, rootUrl), 'utf8')
    const thrown = [...source.matchAll(/^ \* @throws (.*)$/gm)]
      .flatMap(([, line = '']) => [...line.matchAll(/\{(ERR_\w+)\}/g)].map(([, code]) => code))
    const own = operations.filter(({ operationId }) => source.includes(`'${operationId}'`))
    t.ok(own.length > 0, `${file} describes an operation`)
    found.push(...own.map(({ operationId }) => operationId))
    t.same([...new Set(own.flatMap(codesOf))].sort(), [...new Set(thrown)].sort(), file)
  }
  t.same(found.sort(), operations.map(({ operationId }) => operationId).sort(), 'each operation is of one file')
})
