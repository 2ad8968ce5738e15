import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'
import { ENV } from '../../local/openapi/document.js'
import { isEmbedded, server, sharedServer } from '../support/server.js'

const run = promisify(execFile)

const PATHS = ['openapi.json', 'reference', 'reference/', 'reference/json', 'reference/static/swagger-ui.css']

if (isEmbedded) {
  test('In an application, neither the document nor its page is served', async (t) => {
    const { url } = await sharedServer()

    for (const path of PATHS) t.equal((await fetch(`${url}/api/auth/${path}`)).status, 404, path)
  })
} else {
  test('In development, the document of the API and its page are served', async (t) => {
    const { url } = await sharedServer()

    for (const [path, contentType] of [
      ['openapi.json', 'application/json; charset=utf-8'],
      ['reference', 'text/html; charset=utf-8'],
      ['reference/json', 'application/json; charset=utf-8'],
      ['reference/static/swagger-ui-bundle.js', 'application/javascript; charset=utf-8']
    ] as const) {
      const { status, headers } = await fetch(`${url}/api/auth/${path}`)
      t.same([status, headers.get('content-type')], [200, contentType], path)
      t.match(headers.get('content-security-policy'), /^default-src 'none';.*frame-ancestors 'none'/, path)
      t.same([headers.get('cache-control'), headers.get('x-content-type-options')], ['no-store', 'nosniff'], path)
    }
    t.equal((await fetch(`${url}/api/auth/reference/static/none.js`)).status, 404)
  })

  test('The document names the session cookie and the routes of the application', async (t) => {
    const { url } = await server(t, { COOKIE_NAME: 'portal.sid' }, async (fastify) => {
      fastify.get('/portal/:id', { schema: { response: { 200: { type: 'object' } } } }, async () => ({}))
    })

    const document = await (await fetch(`${url}/api/auth/openapi.json`)).json()

    t.match(document, {
      components: { securitySchemes: { session: { name: 'portal.sid' } } },
      paths: { '/portal/{id}': { get: { parameters: [{ in: 'path', name: 'id' }] } } }
    })
  })
}

test('In production, neither the document nor its page is served', async (t) => {
  const { url } = await server(t, { NODE_ENV: 'production' })

  for (const path of PATHS) t.equal((await fetch(`${url}/api/auth/${path}`)).status, 404, path)
})

for (const [what, environment] of [['production', { NODE_ENV: 'production' }], ['development', {}]] as const) {
  test(`A start in ${what} loads nothing of the document`, async (t) => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', `
      import { createRequire } from 'node:module'
      import Fastify from 'fastify'
      import app, { options } from '${new URL('../../src/app.js', import.meta.url).href}'
      import { loadConfig } from '${new URL('../../src/config.js', import.meta.url).href}'
      const fastify = Fastify(options)
      await fastify.register(app, { config: loadConfig(${JSON.stringify({ ...ENV, ...environment })}) })
      await fastify.ready()
      await fastify.close()
      console.log(JSON.stringify(Object.keys(createRequire(import.meta.url).cache)))
    `])

    const loaded = JSON.parse(stdout) as string[]
    t.ok(loaded.some((path) => path.includes('/node_modules/fastify/')))
    t.same(loaded.filter((path) => /swagger|openapi/.test(path.replace(/.*\/node_modules\//, ''))), [])
  })
}
