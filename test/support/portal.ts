/**
 * A portal's pages with the client, on the origin of the server or on another one of the same site.
 *
 * @module
 */
import cors from '@fastify/cors'
import { build } from 'esbuild'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { serve } from './agent.js'
import { startChromium, type Chromium } from './chromium.js'
import { root } from './root.js'
import { server, type Setup } from './server.js'

export type Where = 'the same origin' | 'another origin'

export interface Portal {
  setup: Setup
  /** Where its pages are. `/portal` is one, and every path below it. */
  origin: string
  chromium: Chromium
  context: BrowserContext
  /** A new tab of a page. */
  open (path?: string): Promise<Page>
  /** Signs in by clicks, and ends on that page. */
  signIn (page: Page, options?: { person?: string, path?: string }): Promise<void>
  /** The paths that the pages have asked the server for, below `/api/auth`, since the last call. */
  asked (): string[]
  /** The seconds that the one session has left, by its row. */
  left (): Promise<number>
}

/** Bundled as users do. */
export async function bundle (entry: string, minify = false): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: { contents: entry, resolveDir: root, loader: 'tsx' },
    bundle: true,
    minify,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    alias: { 'cashsouk-auth/client': './client/index.ts' },
    write: false,
    logLevel: 'warning'
  })
  return outputFiles[0]?.text ?? ''
}

/** What the page runs: the client as `auth`, its events as `seen`, and its forms kept. */
const SCRIPT = `
import { createClient, keepForm } from 'cashsouk-auth/client'
const { baseUrl, ...options } = JSON.parse(document.body.dataset.options)
window.auth = createClient({ baseUrl, ...options })
window.seen = []
window.keepForm = keepForm
auth.subscribe(({ type, error }) => { seen.push(error === undefined ? type : type + ' ' + error.code) })
window.restored = []
for (const form of document.forms) keepForm(auth, form, () => { restored.push(form.id) })
`

/** Playwright evaluates text in the page. */
const POLICY = 'default-src \'self\' http: data: \'unsafe-inline\' \'unsafe-eval\''

export interface PortalOptions {
  env?: Record<string, string>
  /** The body of the page. */
  html?: string
  /** Of `createClient`. */
  client?: Record<string, unknown>
  /** The page's script. */
  script?: string
  /** A text in the script that stands for the server's origin. */
  from?: string
  where?: Where
  keepsPages?: boolean
}

export async function portal (
  t: Test,
  {
    env = {}, html = '', client = {}, script = SCRIPT, from, where = 'another origin', ...chromiumOptions
  }: PortalOptions = {}
): Promise<Portal> {
  const bundled = await bundle(script)
  let baseUrl = ''
  const code = () => from === undefined ? bundled : bundled.replaceAll(from, baseUrl)
  const page = () => `<!doctype html><title>Portal</title><link rel="icon" href="data:,">
    <body data-options='${JSON.stringify({ baseUrl, ...client })}'>${html}
    <script type="module" src="/portal.js"></script>`
  const routes: FastifyPluginAsync = async (fastify) => {
    fastify.get('/guarded/session', { preHandler: fastify.requireSession }, async () => ({ in: true }))
    fastify.get('/guarded/recent', { preHandler: fastify.requireRecentSignIn(300) }, async () => ({ in: true }))
    fastify.post('/transfer', { preHandler: fastify.requireRecentSignIn(300) }, async () => ({ done: true }))
    fastify.get('/guarded/never', async (_request, reply) => reply.code(401).send({ code: 'ERR_OF_THE_PORTAL' }))
    for (const path of ['/portal', '/portal/*']) {
      fastify.get(path, (_request, reply) => {
        void reply.header('content-security-policy', POLICY).type('text/html')
          .send(page())
      })
    }
    fastify.get('/portal.js', (_request, reply) => { void reply.type('text/javascript').send(code()) })
  }
  const other = await serve(t, ({ url = '' }, response) => {
    const isPage = url.startsWith('/portal') && url !== '/portal.js'
    response.setHeader('content-type', `${isPage ? 'text/html' : 'text/javascript'}; charset=utf-8`)
    response.end(isPage ? page() : code())
  })
  const otherOrigin = other.replace('127.0.0.1', 'localhost')
  // The portal calls the application's own routes from the other origin.
  const crossOrigin = fp(async (fastify) => {
    await fastify.register(cors, {
      origin: env.RETURN_ORIGINS?.split(',') ?? [otherOrigin],
      credentials: true,
      methods: ['GET', 'POST', 'DELETE'],
      exposedHeaders: ['www-authenticate']
    })
  })
  const setup = await server(t, { RETURN_ORIGINS: otherOrigin, ...env }, routes, crossOrigin)
  const isSame = where === 'the same origin'
  baseUrl = isSame ? '' : setup.url
  const origin = isSame ? setup.url : otherOrigin
  const chromium = await startChromium(t, [], chromiumOptions)
  const context = await chromium.profile()
  const asked: string[] = []
  context.on('request', (request) => {
    const { pathname, search } = new URL(request.url())
    const [, path] = /^\/api\/auth(\/(?:me|extend|logout)\b.*)$/.exec(pathname + search) ?? []
    if (path !== undefined) asked.push(path)
  })
  return {
    setup,
    origin,
    chromium,
    context,
    async open (path = '/portal') {
      const tab = await context.newPage()
      await tab.goto(origin + path)
      await tab.waitForFunction('window.auth !== undefined')
      return tab
    },
    async signIn (tab, { person = 'alice', path = '/portal' } = {}) {
      const returnTo = encodeURIComponent(origin + path)
      await tab.goto(`${setup.url}/api/auth/login?prompt=login&returnTo=${returnTo}`)
      await tab.locator(`button[value=${person}]`).click()
      await tab.waitForURL(origin + path)
      await tab.waitForFunction('window.auth !== undefined')
    },
    asked: () => asked.splice(0),
    async left () {
      const [row] = await setup.database.query(
        `SELECT extract(epoch FROM expire - timezone('utc', now()))::float8 AS s
          FROM session
          WHERE sess->'user' IS NOT NULL`
      )
      return Number(row?.s)
    }
  }
}
