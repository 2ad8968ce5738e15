import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { freePort } from '../../../local/free-port.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { cli } from '../../support/cli.js'
import { database } from '../../support/database.js'

test('Commands read DATABASE_URL from the file that DATABASE_URL_FILE names', async (t) => {
  const db = await database(t)
  const store = new PgSessionStore({ conString: db.url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await store.createTable()
  const folder = await mkdtemp(join(tmpdir(), 'cli-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'url')
  await writeFile(file, `${db.url}\n`)

  t.equal((await cli(['sessions', 'stats', '--json'], { env: { DATABASE_URL_FILE: file } })).code, 0)
  const missing = await cli(['sessions', 'stats'], { env: { DATABASE_URL_FILE: join(folder, 'none') } })
  t.equal(missing.code, 1)
  t.match(missing.stderr, /DATABASE_URL_FILE [^\n]+\n$/)
  const both = await cli(['sessions', 'stats'], { env: { DATABASE_URL_FILE: file, DATABASE_URL: db.url } })
  t.match(both.stderr, /set one of them/)
})

test('A DATABASE_URL that cannot be used is refused by its name, and not repeated', async (t) => {
  for (const DATABASE_URL of [
    'hidden', 'mysql://app:hidden@db/a', 'postgres://app:hidden@db:99999/a', 'postgres://app:hid@hidden@db/a'
  ]) {
    const { code, stderr } = await cli(['sessions', 'stats'], { env: { DATABASE_URL } })
    t.equal(code, 1)
    t.match(stderr, /^error: DATABASE_URL [^\n]+\n$/)
    t.notMatch(stderr, /hidden/)
  }
})

test('With several hosts, commands use the first that answers', async (t) => {
  const db = await database(t)
  const store = new PgSessionStore({ conString: db.url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await store.createTable()
  const { host } = new URL(db.url)
  const withHosts = (hosts: string) => db.url.replace(host, hosts)
  const closed = `127.0.0.1:${await freePort()}`

  const answered = await cli(['sessions', 'stats'], { env: { DATABASE_URL: withHosts(`${closed},${host}`) } })
  t.same([answered.code, answered.stderr], [0, ''])
  const none = await cli(['sessions', 'stats'], { env: { DATABASE_URL: withHosts(`${closed},${closed}`) } })
  t.equal(none.code, 1)
  t.match(none.stderr, /refused/)
})

test('With several hosts that take no writes, commands say so', async (t) => {
  const db = await database(t)
  const url = new URL(db.url)
  url.searchParams.set('options', '-c default_transaction_read_only=on')
  const hosts = url.href.replace(url.host, `${url.host},${url.host}`)

  const { code, stderr } = await cli(['sessions', 'stats'], { env: { DATABASE_URL: hosts } })

  t.equal(code, 1)
  t.match(stderr, /no host of DATABASE_URL takes writes/)
})
