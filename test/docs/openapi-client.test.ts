import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { browser, signIn } from '../support/browser.js'
import { root } from '../support/root.js'
import { sharedServer } from '../support/server.js'

const run = promisify(execFile)
const bin = (name: string): string => join(root, 'node_modules/.bin', name)

const CLIENT = `
import createClient from 'openapi-fetch'
import type { components, paths } from './cashsouk-auth.js'

type Session = components['schemas']['Session']

const [url = '', cookie = ''] = process.argv.slice(2)
const client = createClient<paths>({ baseUrl: url, headers: { cookie, origin: url } })

async function me (): Promise<Session | string> {
  const { data, error } = await client.GET('/api/auth/me', { params: { query: { slide: 'false' } } })
  if (data !== undefined) return data
  return error.code === 'ERR_UNAUTHENTICATED' ? error.reason ?? 'no reason' : error.code
}

const before = await me()
if (typeof before === 'string') throw new Error(before)
const email: string | undefined = before.user.email

const extended = await client.POST('/api/auth/extend')
const seconds: number | undefined = extended.data?.expiresInSeconds

const listed = await client.GET('/api/auth/sessions')
const current: boolean[] | undefined = listed.data?.map((session) => session.current)

const others = await client.DELETE('/api/auth/sessions')
const none = await client.DELETE('/api/auth/sessions/{id}', { params: { path: { id: 'none' } } })
const notFound = none.error?.code
// @ts-expect-error the route has no such code
if (notFound === 'ERR_LOGIN_CANCELLED') throw new Error(notFound)

const signedOut = await client.POST('/api/auth/logout', { headers: { accept: 'application/json' } })
const logoutUrl: string | undefined = signedOut.data?.logoutUrl

// @ts-expect-error there is no such route
await client.GET('/api/auth/you').catch(() => undefined)
// @ts-expect-error slide takes no such value
void (() => client.GET('/api/auth/me', { params: { query: { slide: 'no' } } }))
// @ts-expect-error the user is not told under that name
void before.userName

console.log(JSON.stringify({
  email, seconds, current, others: others.response.status, notFound, logoutUrl, after: await me()
}))
`

/** A folder with the types of the document, a compiled client and the sample of docs/api.md. */
async function compiledClient (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'openapi-client-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  const [, sample = ''] = /^```ts\n(.*?)^```$/ms.exec(await readFile(join(root, 'docs/api.md'), 'utf8')) ?? []
  await writeFile(join(folder, 'sample.ts'), sample)
  await writeFile(join(folder, 'client.ts'), CLIENT)
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types: ['node']
    },
    files: ['client.ts', 'sample.ts']
  }))
  await run(bin('openapi-typescript'), [join(root, 'docs/openapi.json'), '-o', join(folder, 'cashsouk-auth.d.ts')])
  await run(bin('tsc'), ['-p', folder]).catch((error: unknown) => {
    throw new Error((error as { stdout: string }).stdout)
  })
  return folder
}

test('A client that is generated from the document lists sessions, extends and signs out', async (t) => {
  const { url } = await sharedServer()
  const [user, elsewhere] = [browser(), browser()]
  await signIn(elsewhere, url, { person: 'carol' })
  await signIn(user, url, { person: 'carol' })
  const folder = await compiledClient(t)

  const { stdout } = await run(process.execPath, [join(folder, 'client.js'), url, user.cookieHeader(url)])

  const told = JSON.parse(stdout) as { seconds: number, logoutUrl: string }
  t.match(told, {
    email: 'carol@example.com', current: [true, false], others: 204, notFound: 'ERR_NOT_FOUND', after: 'signed_out'
  })
  t.ok(told.seconds > 890, `${told.seconds}`)
  t.equal(new URL(told.logoutUrl).pathname, '/logout')
  t.equal((await elsewhere.get(`${url}/api/auth/me`)).status, 401)
})
