import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import headers from '../../plugins/headers.js'
import { errorPage, styleHash } from '../../src/pages/index.js'

const config = {
  https: true,
  LOGOUT_URL: 'https://www.example.org/bye?from=auth',
  LOGOUT_URLS: ['https://www.example.org/', 'https://issuer.example.org/out'],
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com'
}

async function build (t: Test, overrides: Partial<typeof config> = {}) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  const merged = { ...config, ...overrides }
  await fastify.register(fp(async (app) => { app.decorate('config', merged as never) }, { name: 'config' }))
  await fastify.register(headers)
  fastify.get('/', async () => 'x')
  fastify.get('/error', async () => { throw new Error('x') })
  fastify.get('/redirect', async (_request, reply) => reply.redirect('/'))
  fastify.get('/hook', { onRequest: async () => { throw new Error('x') } }, async () => 'x')
  const error = { code: 'x', message: 'x', requestId: 'x', retryUrl: '/', signOutUrl: '/' }
  const page = errorPage(error, { language: 'en', labels: [] })
  fastify.get('/page', async (_request, reply) => reply.type('text/html').send(page))
  return fastify
}

/** The directives of the policy, each with its sources. */
const directives = (policy: unknown) => Object.fromEntries(String(policy).split(';').map((directive) => {
  const [name = '', ...sources] = directive.trim().split(' ')
  return [name, sources]
}))

const paths = [['/', 200], ['/error', 500], ['/redirect', 302], ['/hook', 500], ['/nowhere', 404]] as const

for (const [url, statusCode] of paths) {
  test(`GET ${url} answers ${statusCode} with no-store and security headers`, async (t) => {
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

test('every response has these security headers and no others', async (t) => {
  const secure = await (await build(t)).inject('/')
  const plain = await (await build(t, { https: false })).inject('/')
  const ofTheBody = ['content-type', 'content-length', 'date', 'connection']
  t.same(Object.fromEntries(Object.entries(secure.headers).filter(([name]) => !ofTheBody.includes(name))), {
    'cache-control': 'no-store',
    'content-security-policy': `default-src 'none';style-src '${styleHash}';form-action 'self' ` +
      'https://example.auth.eu-west-1.amazoncognito.com https://www.example.org https://issuer.example.org;' +
      'frame-ancestors \'none\';base-uri \'none\'',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-site',
    'origin-agent-cluster': '?1',
    'referrer-policy': 'no-referrer',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-dns-prefetch-control': 'off',
    'x-download-options': 'noopen',
    'x-frame-options': 'DENY',
    'x-permitted-cross-domain-policies': 'none',
    'x-xss-protection': '0'
  })
  const { 'strict-transport-security': _hsts, ...withoutHsts } = secure.headers
  t.same({ ...plain.headers, date: '' }, { ...withoutHsts, date: '' })
})

test('the policy allows one style sheet, no frames and known form targets', async (t) => {
  const reply = await (await build(t)).inject('/')
  t.same(directives(reply.headers['content-security-policy']), {
    'default-src': ['\'none\''],
    'style-src': [`'${styleHash}'`],
    'form-action': ['\'self\'', config.COGNITO_DOMAIN, 'https://www.example.org', 'https://issuer.example.org'],
    'frame-ancestors': ['\'none\''],
    'base-uri': ['\'none\'']
  })
})

test('the policy allows the style sheet of the pages', async (t) => {
  const reply = await (await build(t)).inject('/page')
  const style = /<style>(.*?)<\/style>/s.exec(reply.body)?.[1] ?? ''
  const hash = createHash('sha256').update(style).digest('base64')
  t.same(directives(reply.headers['content-security-policy'])['style-src'], [`'sha256-${hash}'`])
})

test('no policy allows scripts', async (t) => {
  const { headers: sent } = await (await build(t)).inject('/page')
  t.notMatch(sent['content-security-policy'], /script-src|unsafe-|\*/)
})

test('over http, no header asks for https', async (t) => {
  const fastify = await build(t, { https: false, LOGOUT_URL: 'http://localhost:3000/', LOGOUT_URLS: [] })
  const reply = await fastify.inject('/')
  t.notOk('strict-transport-security' in reply.headers)
  t.notMatch(reply.headers['content-security-policy'], /upgrade-insecure-requests/)
  t.equal(reply.headers['cache-control'], 'no-store')
})
