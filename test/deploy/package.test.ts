import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { database } from '../support/database.js'
import { application } from '../support/packed.js'
import { root } from '../support/root.js'

const run = promisify(execFile)

test('The packed session store works in Fastify and Express', async (t) => {
  const folder = await application(t)
  const db = await database(t)
  await writeFile(join(folder, 'index.ts'), `
import cookie, { Signer } from '@fastify/cookie'
import session from '@fastify/session'
import expressSession from 'express-session'
import Fastify from 'fastify'
import { PgSessionStore, rememberingSigner } from 'cashsouk-auth/session-store'

const secret = 'a secret of this test and of nothing else'
const store = new PgSessionStore({ conString: process.argv[2] ?? '', ttl: 900 })
const fastify = Fastify()
await fastify.register(cookie)
await fastify.register(session, {
  store, secret: rememberingSigner(new Signer(secret)), saveUninitialized: false, cookie: { secure: false }
})
fastify.get('/', async (request) => {
  const session = request.session as unknown as { user?: { sub: string } }
  session.user ??= { sub: 'alice' }
  return session.user
})
const first = await fastify.inject('/')
const cookies = String(first.headers['set-cookie'])
const again = await fastify.inject({ url: '/', headers: { cookie: cookies.split(';')[0] ?? '' } })
const theirs: unknown = expressSession({ store, secret, resave: false, saveUninitialized: false })
const found = await store.listByUser('alice')
await store.destroyByUser('alice')
await store.close()
await fastify.close()
console.log(JSON.stringify({ body: again.json(), express: typeof theirs, found: found.length }))
`)
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2023',
        module: 'NodeNext',
        strict: true,
        skipLibCheck: true,
        types: ['node'],
        outDir: 'out'
      },
      files: ['index.ts']
    })
  )

  await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder]).catch((error: unknown) => {
    throw new Error((error as { stdout: string }).stdout)
  })
  const { stdout } = await run(process.execPath, [join(folder, 'out/index.js'), db.url])

  t.same(JSON.parse(stdout), { body: { sub: 'alice' }, express: 'function', found: 1 })
  t.same(await db.query('SELECT sid FROM session'), [])

  await t.test('no other file is exported', async (t) => {
    await writeFile(join(folder, 'deep.js'), 'await import(\'cashsouk-auth/dist/src/sessions/store.js\')')
    await t.rejects(run(process.execPath, [join(folder, 'deep.js')]), /ERR_PACKAGE_PATH_NOT_EXPORTED/)
  })

  await t.test('CommonJS requires the same names', async (t) => {
    await writeFile(join(folder, 'names.cjs'), `
const required = require('cashsouk-auth/session-store')
import('cashsouk-auth/session-store').then((imported) => {
  console.log(JSON.stringify({
    isCommonJS: !require('node:util').types.isModuleNamespaceObject(required),
    required: Object.keys(required).sort(),
    imported: Object.keys(imported).sort()
  }))
})`)
    const { stdout } = await run(process.execPath, [join(folder, 'names.cjs')])

    const seen = JSON.parse(stdout) as { isCommonJS: boolean, required: string[], imported: string[] }
    t.ok(seen.isCommonJS)
    t.ok(seen.required.includes('PgSessionStore'))
    t.same(seen.required, seen.imported)
  })
})

test('The packed client is typed, and can be imported where there is no browser', async (t) => {
  const folder = await application(t)
  await writeFile(join(folder, 'page.ts'), `
import { createClient, keepForm, type AuthState, type EndReason, type Session } from 'cashsouk-auth/client'

export const auth = createClient({ baseUrl: 'https://auth.example.com', warnSeconds: 60 })
const state: AuthState = auth.state
export const session: Session | undefined = state.status === 'signed-in' ? state.session : undefined
export const reason: EndReason | undefined = state.status === 'ended' ? state.reason : undefined
export const keep = (form: HTMLFormElement): (() => void) => keepForm(auth, form)
// @ts-expect-error no such option
createClient({ baseUr: '' })
const { subscribe, watch, signInUrl } = auth
export const other = createClient({ baseUrl: undefined, path: undefined, warnSeconds: undefined })
export const leave = () => auth.signOut({ returnTo: undefined })
export const enter = () => auth.signIn({ role: undefined, returnTo: undefined, max_age: undefined })
export const ask = () => auth.me({ slide: undefined })
subscribe(({ type, error }) => { if (type === 'error') console.log(error?.code) })
watch()()
console.log(JSON.stringify([state, auth.secondsLeft(), signInUrl({ role: 'ISSUER', max_age: 0 })]))
`)
  for (const [moduleResolution, module] of [['NodeNext', 'NodeNext'], ['Bundler', 'ESNext']]) {
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
      compilerOptions: {
        target: 'ES2022', lib: ['ES2022', 'DOM'], types: [], module, moduleResolution, outDir: 'out',
        strict: true, exactOptionalPropertyTypes: true
      },
      files: ['page.ts']
    }))
    await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder]).catch((error: unknown) => {
      throw new Error((error as { stdout: string }).stdout)
    })
  }

  const { stdout } = await run(process.execPath, [join(folder, 'out/page.js')])

  t.same(JSON.parse(stdout), [
    { status: 'unknown' }, 0, 'https://auth.example.com/api/auth/login?role=ISSUER&max_age=0'
  ])
})
