import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import auth, { type AuthOptions } from '../../index.js'
import { freePort } from '../../local/free-port.js'
import { browser, signIn } from '../support/browser.js'
import { cognito } from '../support/cognito.js'
import { database } from '../support/database.js'
import { embedded } from '../support/embedded.js'
import { installed } from '../support/installed.js'
import { linkedApplication } from '../support/linked.js'
import { start } from '../support/process.js'
import { root, rootUrl } from '../support/root.js'
import { typeErrors } from '../support/typed.js'
import { until } from '../support/until.js'

const page = await readFile(new URL('docs/plugin.md', rootUrl), 'utf8')

/** The sample under a heading. */
function sampleOf (heading: string): string {
  const [, part = ''] = page.split(`\n## ${heading}\n`)
  const [, code] = /^```js\n(.*?)^```/ms.exec(part) ?? []
  if (code === undefined) throw new Error(`docs/plugin.md has no sample under ${heading}`)
  return code
}

/** Runs a program in an application that has the package, with a database and a user pool. */
async function running (t: Test, source: { text: string } | { file: string }, prefix = '/api/auth') {
  const [folder, db, port] = [await installed(t), await database(t), await freePort()]
  const url = `http://localhost:${port}`
  const pool = await cognito(t, { callbackUrl: `${url}${prefix}/callback`, logoutUrl: [`${url}/`] })
  const path = join(folder, 'server.js')
  if ('text' in source) await writeFile(path, source.text)
  else await copyFile(source.file, path)
  const program = start(t, process.execPath, [path], {
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      PUBLIC_URL: url,
      DATABASE_URL: db.url,
      SESSION_SECRET: 's'.repeat(32),
      ...pool.env
    }
  })
  await program.seen(/Server listening/)
  return url
}

for (const [what, source, visits, staff] of [
  ['The host of docs/plugin.md', { text: sampleOf('A host in 20 lines') }, '/portfolio', 'for staff'],
  ['examples/embedded', { file: join(root, 'examples/embedded/server.js') }, '/portfolio', /Carol/]
] as const) {
  test(`${what} signs users in and guards two routes`, async (t) => {
    const url = await running(t, source)
    const [alice, carol] = [browser(), browser()]
    t.match((await alice.get(`${url}/`)).text, /Sign in as/)
    t.equal((await alice.get(url + visits, { headers: { accept: 'application/json' } })).status, 401)
    await signIn(alice, url)
    for (const count of [1, 2]) {
      const { status, text } = await alice.get(url + visits)
      t.match([status, text], [200, new RegExp(`Alice.*"visits":${count}`)])
    }
    t.equal((await alice.get(`${url}/back-office`)).status, 403)
    await signIn(carol, url, { person: 'carol', role: 'ADMIN' })
    t.match((await carol.get(`${url}/back-office`)).text, staff)
  })
}

const PAGE = '/offers?sort=rate&text=a%26b%3Dc%20%C3%A4'
/** The sample, with a route that a form is sent to. */
const pages = sampleOf('A guest who opens a page')
  .replace('await app.listen', `app.post('/offers', { preHandler: app.requireSession }, async () => 'sent')\n$&`)

for (const [what, text, prefix] of [
  ['below /api/auth', pages, '/api/auth'],
  ['with the option prefix', pages.replace('register(auth)', 'register(auth, { prefix: \'/sign-in\' })'), '/sign-in']
] as const) {
  test(`A guest who opens a page of docs/plugin.md signs in and comes back, ${what}`, async (t) => {
    const url = await running(t, { text }, prefix)
    const alice = browser()

    const refused = await alice.get(url + PAGE, { redirect: 'manual', headers: { 'sec-fetch-mode': 'navigate' } })
    t.equal(refused.status, 302)
    const login = new URL(refused.location ?? '')
    t.equal(login.origin + login.pathname, `${url}${prefix}/login`)
    t.same([...login.searchParams], [['returnTo', PAGE]])
    const chosen = await alice.get(url + PAGE)
    const signedIn = await alice.submit(chosen, 'alice')

    t.equal(signedIn.url, url + PAGE)
    t.match([signedIn.status, signedIn.text], [200, /Offers/])
  })
}

for (const [what, source, path] of [
  ['docs/plugin.md', { text: pages }, '/offers'],
  ['examples/embedded', { file: join(root, 'examples/embedded/server.js') }, '/portfolio']
] as const) {
  test(`In ${what}, navigations alone lead to the sign-in`, async (t) => {
    const url = await running(t, source)
    const guest = browser()
    const { status, location } = await guest.get(url + path, { redirect: 'manual' })
    t.same([status, location], [302, `${url}/api/auth/login?returnTo=${encodeURIComponent(path)}`])
    for (const [name, value] of [
      ['accept', 'application/json'], ['accept', '*/*'], ['sec-fetch-mode', 'cors'], ['sec-fetch-mode', 'no-cors']
    ] as const) {
      const answer = await guest.get(url + path, { redirect: 'manual', headers: { [name]: value } })
      t.match([answer.status, JSON.parse(answer.text)], [401, { code: 'ERR_UNAUTHENTICATED' }])
    }
    const head = await guest.send('HEAD', url + path, { redirect: 'manual' })
    t.equal(head.status, 401)
  })
}

test('In docs/plugin.md, a form that a guest sends is answered with 401', async (t) => {
  const url = await running(t, { text: pages })
  const answer = await browser().send('POST', `${url}/offers`, { redirect: 'manual' })
  t.match([answer.status, JSON.parse(answer.text)], [401, { code: 'ERR_UNAUTHENTICATED' }])
})

test('dev.js of docs/plugin.md runs the host without AWS, and runs again', async (t) => {
  const [folder, db, port] = [await linkedApplication(t, ['fastify']), await database(t), await freePort()]
  await writeFile(join(folder, 'server.js'), sampleOf('A host in 20 lines'))
  await writeFile(join(folder, 'dev.js'), sampleOf('In development, without AWS'))
  const url = `http://localhost:${port}`
  const user = browser()
  const run = async () => {
    const program = start(t, process.execPath, ['dev.js'], {
      cwd: folder, env: { PATH: process.env.PATH, PORT: String(port), DATABASE_URL: db.url }
    })
    await program.seen(/Server listening/)
    return program
  }

  const first = await run()
  await signIn(user, url, { person: 'carol', role: 'ADMIN' })
  t.equal((await user.get(`${url}/back-office`)).text, 'for staff')
  await first.stop()
  await run()
  t.equal((await user.get(`${url}/back-office`)).text, 'for staff', 'still signed in')
})

test('dev.js of docs/operations.md runs the server of the package without AWS', async (t) => {
  const [folder, db, port] = [await linkedApplication(t, []), await database(t), await freePort()]
  const operations = await readFile(new URL('docs/operations.md', rootUrl), 'utf8')
  const [, code = ''] = /^```js\n(import \{ startCognito \}[^]*?)^```/m.exec(operations) ?? []
  await writeFile(join(folder, 'dev.js'), code)
  const program = start(t, process.execPath, ['dev.js'], {
    cwd: folder, env: { PATH: process.env.PATH, PORT: String(port), DATABASE_URL: db.url }
  })
  await program.seen(/ready on/)
  const user = browser()
  const url = `http://localhost:${port}`
  await signIn(user, url, { person: 'carol', role: 'ADMIN' })
  t.match((await user.get(`${url}/api/auth/me`)).text, /"role":"ADMIN"/)
})

test('The host of docs/plugin.md has at most 20 lines of code', async (t) => {
  const lines = sampleOf('A host in 20 lines').split('\n').filter((line) => line.trim() !== '')
  t.ok(lines.length <= 20, `${lines.length} lines`)
})

/** Runs a sample with these names in place. */
async function evaluate (code: string, names: Record<string, unknown>): Promise<void> {
  const [keys, values] = [Object.keys(names), Object.values(names)]
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- a sample
  await new Function(...keys, `return (async () => { ${code} })()`)(...values)
}

test('The options of docs/plugin.md are accepted', async (t) => {
  const app = Fastify() as unknown as FastifyInstance
  t.teardown(() => app.close())
  await evaluate(sampleOf('Options'), { app, auth })
  t.match(app.cashsoukAuth.config, {
    prefix: '/auth', SESSION_TTL: 1800, HOME_URL: /ADMIN=/, callbackUrl: 'https://app.example.com/auth/callback'
  })
})

test('The hooks of docs/plugin.md run', async (t) => {
  const [told, known]: [object[], Set<string>] = [[], new Set()]
  const { url } = await embedded(t, {
    build: async (app, options) => {
      const withDefaults = async (plugin: typeof auth, more: AuthOptions) =>
        app.register(plugin, { ...options, ...more })
      await evaluate(sampleOf('Hooks'), {
        app: { register: withDefaults },
        auth,
        accounts: { find: async (sub: string) => known.has(sub) ? { id: 7 } : (known.add(sub), undefined) },
        journal: { add: async (entry: object) => { told.push(entry) } }
      })
      app.get('/account', async ({ session }) => Reflect.get(session, 'account') as unknown)
    }
  })
  const user = browser()
  t.match((await signIn(user, url)).answer.text, /There is no account for you yet\. Please call us\./)
  await signIn(user, url)
  t.equal((await user.get(`${url}/account`)).text, '7')
  await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })
  await until(async () => told.length > 0)
  t.match(told, [{ type: 'ended', reason: 'signed_out', sub: String }])
})

test('The table of docs/plugin.md lists the options that are no variables', async (t) => {
  const [part = ''] = (page.split('\n## Options\n')[1] ?? '').split('\n## ')
  const names = [...part.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, cell = '']) => cell.match(/\w+/g) ?? [])
  t.same(names, ['env', 'prefix', 'pool', 'metrics', 'health', 'home', 'onLogin', 'onLogout', 'onSession'])
})

test('The types of the package reach an application, and none of its insides', async (t) => {
  t.equal(await typeErrors(t, { 'app.ts': `
import auth, { type SessionEvent } from 'cashsouk-auth'
import { PgSessionStore } from 'cashsouk-auth/session-store'
import { signIn, startCognito } from 'cashsouk-auth/testing'
import Fastify from 'fastify'

declare module 'fastify' {
  // What an application of its own may have, whatever this package has inside.
  interface FastifyInstance { config: { own: true }, hooks: 1, tokens: 2, cognito: 3, pg: 4, sessionStore: 5, pages: 6 }
  interface FastifyRequest { keepsExpiry: 'own', startSession: 7 }
  interface FastifyReply { sendPage: 8, sendError: 9 }
  interface Session { visits?: number }
}

const app = Fastify()
await app.register(auth, {
  sessionTtl: 900,
  roles: ['INVESTOR'],
  roleLabels: { INVESTOR: 'Investors' },
  onLogin: async ({ user, isStepUp }) => isStepUp ? undefined : { session: { visits: user.sub.length } },
  onSession: (event: SessionEvent) => { event.request?.log.info(event.reason) }
})
const guards = [app.requireSession, app.requireRole('A'), app.requireRecentSignIn(300)]
app.get('/', { preHandler: guards }, async (request) => {
  const email: string | undefined = request.user?.email
  request.session.visits = 1
  const store = app.cashsoukAuth.sessionStore
  await store.destroyByUser(request.session.user?.sub ?? '')
  return [email, await request.accessToken(), request.session.roles?.length, request.cookies.a, app.config.own]
})
// What may be missing, as of process.env, is undefined.
const none = undefined
await app.register(auth, {
  publicUrl: process.env.PUBLIC_URL, sessionTtl: none, env: none, pool: none, metrics: none, health: none, home: none,
  onLogin: none, onLogout: none, onSession: none
})
const stored = new PgSessionStore({
  conString: process.env.DATABASE_URL, pool: none, conObject: none, schemaName: none, tableName: none,
  createTableIfMissing: none, ttl: none, absoluteTtl: none, touchInterval: none, hashIds: none,
  preparedStatements: none, pruneSessionInterval: none, userKey: none, maxBytes: none, deadline: none,
  endCommit: none, errorLog: none,
  events: Math.random() > 1 ? { tableName: none, maxAge: none, onEvent: none } : none
})
await stored.destroyByUser('alice', { except: none })
const pool = await startCognito({
  publicUrl: process.env.PUBLIC_URL, redirectUris: none, logoutUris: none, port: none, accessTokenTtl: none,
  dataDir: none,
  people: [{ username: 'alice', sub: none, email: none, name: none, groups: none, refused: none }]
})
pool.fail({ token: none, jwks: none, revoke: none, delayMs: none, signIn: none, expired: none })
await signIn(app, { sub: 'alice', roles: ['A'], role: none, email: none, claims: none, authTime: none })
// @ts-expect-error -- no such option
await signIn(app, { sub: 'alice', roles: ['A'], rolse: ['A'] })
// @ts-expect-error -- no such option
await app.register(auth, { sesionTtl: 900 })
// @ts-expect-error -- a number
await app.register(auth, { sessionTtl: '900' })
` }), '')
})
