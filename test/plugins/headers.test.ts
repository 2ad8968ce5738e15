import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import headers from '../../plugins/headers.js'
import { errorPage, styleHash } from '../../src/pages.js'

const config = {
  https: true,
  LOGOUT_URL: 'https://www.example.org/bye?from=auth',
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com'
}

async function build (t: Test, overrides: Partial<typeof config> = {}) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(fp(async (app) => { app.decorate('config', { ...config, ...overrides } as never) }, { name: 'config' }))
  await fastify.register(headers)
  fastify.get('/', async () => 'x')
  fastify.get('/error', async () => { throw new Error('x') })
  fastify.get('/redirect', async (_request, reply) => reply.redirect('/'))
  fastify.get('/hook', { onRequest: async () => { throw new Error('x') } }, async () => 'x')
  fastify.get('/page', async (_request, reply) => reply.type('text/html').send(errorPage({ code: 'x', message: 'x', requestId: 'x', retryUrl: '/' })))
  return fastify
}

/** The directives of the policy, each with its sources. */
const directives = (policy: unknown) => Object.fromEntries(String(policy).split(';').map((directive) => {
  const [name = '', ...sources] = directive.trim().split(' ')
  return [name, sources]
}))

for (const [url, statusCode] of [['/', 200], ['/error', 500], ['/redirect', 302], ['/hook', 500], ['/nowhere', 404]] as const) {
  test(`GET ${url}, answered ${statusCode}, is kept out of every cache and has the security headers`, async (t) => {
    const reply = await (await build(t)).inject(url)
    t.equal(reply.statusCode, statusCode)
    t.match(reply.headers, {
      'cache-control': 'no-store',
      'content-security-policy': /default-src 'none'/,
      'strict-transport-security': /^max-age=\d{7,}/,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-site'
    })
    t.notOk('x-powered-by' in reply.headers)
  })
}

test('a page may load its own style sheet and nothing else, be framed by nobody, and send forms here, to Cognito and to the page after sign-out', async (t) => {
  const reply = await (await build(t)).inject('/')
  t.same(directives(reply.headers['content-security-policy']), {
    'default-src': ['\'none\''],
    'style-src': [`'${styleHash}'`],
    'form-action': ['\'self\'', config.COGNITO_DOMAIN, 'https://www.example.org'],
    'frame-ancestors': ['\'none\''],
    'base-uri': ['\'none\'']
  })
})

test('the policy allows the style sheet of the pages', async (t) => {
  const reply = await (await build(t)).inject('/page')
  const style = /<style>(.*?)<\/style>/s.exec(reply.body)?.[1] ?? ''
  t.same(directives(reply.headers['content-security-policy'])['style-src'], [`'sha256-${createHash('sha256').update(style).digest('base64')}'`])
})

test('no policy allows scripts', async (t) => {
  const { headers: sent } = await (await build(t)).inject('/page')
  t.notMatch(sent['content-security-policy'], /script-src|unsafe-|\*/)
})

test('over http, on a developer\'s machine, no browser is told to use https', async (t) => {
  const reply = await (await build(t, { https: false, LOGOUT_URL: 'http://localhost:3000/' })).inject('/')
  t.notOk('strict-transport-security' in reply.headers)
  t.notMatch(reply.headers['content-security-policy'], /upgrade-insecure-requests/)
  t.equal(reply.headers['cache-control'], 'no-store')
})
