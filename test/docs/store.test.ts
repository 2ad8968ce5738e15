import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import * as entry from '../../src/sessions/index.js'
import { database } from '../support/database.js'
import { agent } from '../support/agent.js'
import { linkedApplication, sampleOf } from '../support/linked.js'
import { start } from '../support/process.js'
import { rootUrl } from '../support/root.js'
import { until } from '../support/until.js'

const text = (path: string): Promise<string> => readFile(new URL(path, rootUrl), 'utf8')

const page = await text('docs/store.md')

const missingIn = (names: readonly string[]): string[] => names.filter((name) => !page.includes(`\`${name}`))

test('docs/store.md has every option of the store', async (t) => {
  const source = await text('src/sessions/options.ts')
  const [, body = ''] = /interface PgSessionStoreOptions \{(.*?)^\}/ms.exec(source) ?? []
  const names = [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name = '']) => name)
  const [, table = ''] = /^## Options\n(.*?)^## /ms.exec(page) ?? []
  const told = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
  t.ok(names.length >= 16)
  t.same(told, names.toSorted((one, other) => told.indexOf(one) - told.indexOf(other)))
})

test('docs/store.md has every public method of the store, and no other', async (t) => {
  const { prototype } = entry.PgSessionStore
  const names = [prototype, Object.getPrototypeOf(prototype) as object]
    .flatMap((object) => Object.entries(Object.getOwnPropertyDescriptors(object)))
    .flatMap(([name, descriptor]) => 'value' in descriptor ? [name] : [])
    .filter((name) => name !== 'constructor')
  const tables = page.slice(page.indexOf('## Methods of session libraries'), page.indexOf('## Errors'))
  const told = [...tables.matchAll(/^\| `(\w+)\(/gm)].map(([, name = '']) => name)
  t.ok(names.length >= 27)
  t.same(told.toSorted(), [...new Set(names)].sort())
})

test('docs/store.md has every export and every error of the store', async (t) => {
  const all = async (path: string, pattern: RegExp) =>
    [...(await text(path)).matchAll(pattern)].map(([, name = '']) => name)
  const codes = await all('src/sessions/errors.ts', /defineError\(\s*'(\w+)'/g)
  t.ok(codes.length >= 2)
  t.same(missingIn([...codes, ...Object.keys(entry)]), [])
  const types = await all('src/sessions/index.ts', /type \{?(?: type)? ?(\w+)/g)
  t.ok(types.length >= 6)
  t.same(missingIn(types), [])
})

test('docs/store.md tells messages that the store has', async (t) => {
  const folder = new URL('src/sessions/', rootUrl)
  const sources = (await Promise.all((await readdir(folder)).filter((name) => name.endsWith('.ts'))
    .map((name) => readFile(new URL(name, folder), 'utf8')))).join('\n')
  const [, events = ''] = /^## Events\n(.*?)^## /ms.exec(page) ?? []
  const messages = [...events.matchAll(/^\| `(.*?)` \|/gm)].map(([, message = '']) => message)
  t.equal(messages.length, 9)
  const literal = (message: string) => message.replace(/ …$/, '').split('NAME')
  t.same(messages.filter((message) => !literal(message).every((part) => sources.includes(part))), [])
})

for (const [library, heading] of [
  ['@fastify/session', 'With @fastify/session'], ['express-session', 'With express-session']
] as const) {
  test(`The sample of docs/store.md for ${library} signs in, lists sessions and signs out elsewhere`, async (t) => {
    const packages = ['@fastify/cookie', '@fastify/session', 'express', 'express-session', 'fastify']
    const folder = await linkedApplication(t, packages)
    const db = await database(t)
    const port = await freePort()
    await writeFile(join(folder, 'sample.js'), sampleOf(page, heading))
    const sample = start(t, process.execPath, [join(folder, 'sample.js')], {
      env: { PATH: process.env.PATH, DATABASE_URL: db.url, SESSION_SECRET: 's'.repeat(32), PORT: String(port) }
    })
    const [phone, laptop] = [agent(`http://127.0.0.1:${port}`), agent(`http://127.0.0.1:${port}`)]
    await until(() => phone('/devices').then(() => true, () => false))

    t.match(await phone('/sign-in', { method: 'POST' }), { status: 200, json: { signedIn: true } })
    t.match(await laptop('/sign-in', { method: 'POST' }), { status: 200 })
    const { text } = await phone('/devices')
    t.equal((JSON.parse(text) as unknown[]).length, 2)
    t.match(await phone('/sign-out-elsewhere', { method: 'POST' }), { json: { ended: 1 } })
    t.equal((await laptop('/devices')).text, '[]')
    t.match(JSON.parse((await phone('/devices')).text), [{ id: String, expiresAt: String }])
    t.equal(sample.stderr(), '')
  })
}
