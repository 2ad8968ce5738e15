import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { database } from '../support/database.js'
import { root } from '../support/root.js'

const run = promisify(execFile)

/** An application with the files of `npm pack` installed, without the server, which has no exports. */
async function application (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'package-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const installed = join(folder, 'node_modules/cashsouk-auth')
  await mkdir(installed, { recursive: true })
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions: { noCheck: true, outDir: 'dist', typeRoots: [join(root, 'node_modules/@types')] },
    include: [],
    files: [join(root, 'src/sessions/index.ts')]
  }))
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder])
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { files: string[] }
  for (const file of ['package.json', ...files]) {
    if (['dist/plugins', 'dist/routes'].includes(file)) continue
    await cp(join(file.startsWith('dist/') ? folder : root, file), join(installed, file), { recursive: true })
  }
  // Its dependencies are linked where npm would install them.
  await symlink(join(root, 'node_modules'), join(installed, 'node_modules'))
  for (const name of ['pg', '@types', '@fastify', 'fastify', 'express', 'express-session']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  return folder
}

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
})
