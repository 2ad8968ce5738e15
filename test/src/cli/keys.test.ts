import { test, type Test } from 'tap'
import { SigningKeys } from '../../../src/assertion/signing-keys.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { cli } from '../../support/cli.js'
import { database } from '../../support/database.js'

const SECRET = 'a-session-secret-of-a-test-of-32-characters'
const FOREIGN = 'another-session-secret-of-a-test-of-32-chars'

async function keys (t: Test) {
  const { url } = await database(t)
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await store.createTable()
  const fresh = () => new SigningKeys(store, [SECRET])
  const rotate = (secret: string, ...args: string[]) =>
    cli(['keys', 'rotate', ...args], { env: { DATABASE_URL: url, SESSION_SECRET: secret } })
  return { fresh, rotate }
}

test('keys rotate makes a key that signs in 20 minutes', async (t) => {
  const { fresh, rotate } = await keys(t)
  const [former] = await fresh().published()

  const { code, json } = await rotate(SECRET, '--json')

  t.equal(code, 0)
  const inMs = Date.parse(json<{ signsFrom: string }>().signsFrom) - Date.now()
  t.ok(Math.abs(inMs - 20 * 60_000) < 10_000)
  t.same((await fresh().published()).map(({ kid }) => kid)[0], former?.kid)
  t.equal((await fresh().published()).length, 2)
})

test('keys rotate --at-once leaves only the new key, and asks first', async (t) => {
  const { fresh, rotate } = await keys(t)
  const [former] = await fresh().published()

  t.match(await rotate(SECRET, '--at-once'), { code: 1, stderr: /^error: Remove all keys\? .*--yes\n$/ })
  t.match((await rotate(SECRET, '--at-once', '--yes')).stdout, /^the new key signs from \d{4}-.*Z\n$/)

  const [key, ...others] = await fresh().published()
  t.same(others, [])
  t.not(key?.kid, former?.kid)
})

test('keys rotate with another SESSION_SECRET changes nothing', async (t) => {
  const { fresh, rotate } = await keys(t)
  const [former] = await fresh().published()

  t.match(await rotate(FOREIGN), {
    code: 1, stderr: /^error: the keys are encrypted with another SESSION_SECRET: .*\n$/
  })
  t.match(await rotate('short'), { code: 1, stderr: /^error: SESSION_SECRET must be .*\n$/ })
  t.match(await rotate(''), { code: 1, stderr: /^error: SESSION_SECRET is missing: .*\n$/ })

  t.same((await fresh().published()).map(({ kid }) => kid), [former?.kid])
})
