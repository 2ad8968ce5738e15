import { test, type Test } from 'tap'
import { KEYS_NAME, SigningKeys, type KeyEvent } from '../../../src/assertion/signing-keys.js'
import { KeyVault } from '../../../src/assertion/key-vault.js'
import { ERR_DATABASE } from '../../../src/errors.js'
import { PgSessionStore } from '../../../src/sessions/index.js'
import { database } from '../../support/database.js'
import { fakeKeyStore } from '../../support/key-store.js'

const OLD = 'the old secret of a test and of nothing else'
const NEW = 'the new secret of a test and of nothing else'
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Instances with fake storage. */
function deployment (t: Test) {
  const store = fakeKeyStore(t)
  const events: KeyEvent[] = []
  const start = (...secrets: string[]) => {
    const keys = new SigningKeys(store, secrets.length === 0 ? [OLD] : secrets, (event) => { events.push(event) })
    return {
      keys,
      signer: async () => (await keys.signer(store.nowMs)).publicJwk.kid,
      published: async () => (await keys.published()).map(({ kid }) => kid),
      /** What it says after it has looked again. */
      later: async () => {
        store.pass(3 * MINUTE)
        return (await keys.signer(store.nowMs)).publicJwk.kid
      }
    }
  }
  return { store, events, start, types: () => events.map(({ type }) => type) }
}

test('Twenty instances that start at once agree on one key, in PostgreSQL', async (t) => {
  const db = await database(t)
  const stores = Array.from({ length: 4 }, () => new PgSessionStore({ conString: db.url, pruneSessionInterval: false }))
  t.teardown(() => Promise.all(stores.map((store) => store.close())))
  const instances = Array.from({ length: 20 }, (_, index) =>
    new SigningKeys(stores[index % stores.length] as PgSessionStore, [OLD]))

  const signers = await Promise.all(instances.map(async (keys) => keys.signer(Date.now())))
  const sets = await Promise.all(instances.map((keys) => keys.published()))

  t.equal(new Set(signers.map(({ publicJwk: { kid } }) => kid)).size, 1)
  t.same(new Set(sets.map((keys) => keys.map(({ kid }) => kid).join())).size, 1)
  const rows = await db.query('SELECT sid, sess::text AS sess FROM session')
  t.equal(rows.length, 1)
  t.equal(rows[0]?.sid, `shared.${KEYS_NAME}`)
  const { shared } = JSON.parse(rows[0]?.sess as string) as { shared: string }
  const { x = '', y = '', d = '' } = signers[0]?.stored.jwk ?? {}
  for (const part of [x, y, d]) t.notOk(part === '' || shared.includes(part), 'no part of the key is readable')
  t.equal(await stores[0]?.promises.length(), 0)
  t.same(await stores[0]?.promises.all(), [])
})

test('The private key is in the row only encrypted, and published only as a public key', async (t) => {
  const { store, start } = deployment(t)
  const { keys } = start()
  const { d } = (await keys.signer(store.nowMs)).stored.jwk

  t.notOk(store.value?.includes(d))
  t.same((await keys.published()).flatMap(Object.keys).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})

test('A key signs at once for a minute, and the row is looked at by one call after that', async (t) => {
  const { store, start } = deployment(t)
  const { keys } = start()
  await keys.signer(store.nowMs)
  const calls = store.calls
  for (let i = 0; i < 100; i++) t.notOk(keys.signer(store.nowMs) instanceof Promise)
  t.equal(store.calls, calls)

  store.pass(90_000)
  for (let i = 0; i < 100; i++) t.notOk(keys.signer(store.nowMs) instanceof Promise, 'not waited for')
  await Promise.all(Array.from({ length: 100 }, () => keys.published()))
  t.equal(store.calls, calls + 1)
})

test('When SESSION_SECRET changes while an instance runs, its keys stay, and are encrypted with the new secret',
  async (t) => {
    const { store, start, types } = deployment(t)
    let secrets: readonly string[] = [OLD]
    const running = new SigningKeys(store, () => secrets)
    const kid = (await running.signer(store.nowMs)).publicJwk.kid
    secrets = [NEW, OLD]
    store.pass(3 * MINUTE)
    t.equal((await running.signer(store.nowMs)).publicJwk.kid, kid)
    t.equal(await start(NEW).signer(), kid)

    secrets = [OLD]
    store.pass(3 * MINUTE)
    await running.signer(store.nowMs)
    t.equal(await start(OLD).signer(), kid, 'also when the former secret is gone at once')
    t.same(types(), [])
  })

test('The keys survive a rotation of SESSION_SECRET', async (t) => {
  const { store, start, types } = deployment(t)
  const kid = await start(OLD).signer()
  const before = store.value
  t.equal(await start(OLD, NEW).signer(), kid)
  t.equal(store.value, before, 'nothing is written before the new secret is first')

  t.equal(await start(NEW, OLD).signer(), kid)

  t.not(store.value, before)
  t.equal(await start(OLD, NEW).signer(), kid, 'an older process still reads it')
  t.equal(await start(NEW, OLD).signer(), kid)
  t.equal(await start(NEW).signer(), kid)
  t.same(types(), ['made'])
})

test('With the new secret alone, an instance makes a key, and older ones keep theirs without a write', async (t) => {
  const { store, start, types } = deployment(t)
  const old = start(OLD)
  const kid = await old.signer()
  const fresh = start(NEW)

  const replaced = await fresh.signer()

  t.not(replaced, kid)
  const { value } = store
  t.equal(await old.later(), kid)
  t.equal(await old.later(), kid)
  t.equal(await fresh.later(), replaced)
  t.equal(store.value, value, 'written once')
  t.same(types(), ['made', 'foreign', 'made', 'foreign'])
})

const damages: [what: string, damage: (value: string) => string | null][] = [
  ['deleted, as by TRUNCATE', () => null],
  ['altered', (value) => value.slice(0, -4) + (value.endsWith('AAAA') ? 'BBBB' : 'AAAA')],
  ['cut', (value) => value.slice(0, 40)],
  ['replaced by nonsense', () => 'nonsense']
]
for (const [what, damage] of damages) {
  test(`A row that was ${what} gets back the keys that an instance knows`, async (t) => {
    const { store, start, types } = deployment(t)
    const instance = start()
    const kid = await instance.signer()
    store.value = damage(store.value ?? '')

    t.equal(await instance.later(), kid)

    t.equal(await start().signer(), kid, 'also for an instance that starts now')
    t.same(types(), ['made', 'lost'])
  })

  test(`A row that was ${what} while no instance ran is made again`, async (t) => {
    const { store, start } = deployment(t)
    const kid = await start().signer()
    store.value = damage(store.value ?? '')

    const made = await start().signer()

    t.not(made, kid)
    t.equal(await start().signer(), made)
  })
}

test('A row with a key of someone else, in the clear or by another secret, is never published', async (t) => {
  const { store, start } = deployment(t)
  const instance = start()
  const kid = await instance.signer()
  const foreign = new SigningKeys(fakeKeyStore(t), [NEW])
  const { stored } = await foreign.signer(0)
  for (const value of [JSON.stringify([stored]), new KeyVault([NEW]).seal([stored])]) {
    store.value = value
    t.equal(await instance.later(), kid)
    t.same(await instance.published(), [kid])
    t.not(await start().signer(), stored.kid)
  }
})

test('A forced rotation is one, however often it is asked for', async (t) => {
  const { store, start } = deployment(t)
  const { keys, signer, published, later } = start()
  const first = await signer()
  const dates = [await keys.rotate(), await keys.rotate(), await keys.rotate()]

  t.same(dates, Array(3).fill(new Date(store.nowMs + 20 * MINUTE)))
  t.equal((await published()).length, 2)
  t.equal(await signer(), first)
  store.pass(19 * MINUTE)
  t.not(await later(), first)
})

test('A forced rotation brings forward the key that waits for its turn', async (t) => {
  const { store, start } = deployment(t)
  const { keys, later, published } = start()
  await later()
  store.pass(6 * DAY)
  const first = await later()
  const waiting = await published()
  t.equal(waiting.length, 2)

  t.same(await keys.rotate(), new Date(store.nowMs + 20 * MINUTE))

  t.same(await published(), waiting)
  store.pass(20 * MINUTE)
  t.same([first, await later()], waiting)
})

test('A rotation at once leaves no other key, in any instance', async (t) => {
  const { start } = deployment(t)
  const [one, other] = [start(), start()]
  const leaked = await one.signer()
  t.equal(await other.signer(), leaked)

  await one.keys.rotate({ atOnce: true })

  const kid = await one.signer()
  t.not(kid, leaked)
  t.same(await one.published(), [kid])
  t.equal(await other.later(), kid)
  t.same(await other.published(), [kid])
})

test('Instances that rotate at the same time keep each other\'s key', async (t) => {
  const { start } = deployment(t)
  const instances = [start(), start(), start()]
  await instances[0]?.signer()

  const dates = await Promise.all(instances.map(({ keys }) => keys.rotate()))

  t.equal(new Set(dates.map(Number)).size, 1)
  t.equal((await start().published()).length, 2)
})

test('While the database is away, the keys are those in memory, and an instance without any fails', async (t) => {
  const { store, start } = deployment(t)
  const instance = start()
  const kid = await instance.signer()
  store.failure = new ERR_DATABASE()

  t.equal(await instance.later(), kid)
  t.same(await instance.published(), [kid])
  const { calls } = store
  for (let i = 0; i < 10; i++) await instance.published()
  t.equal(store.calls, calls, 'it does not try again at once')
  await t.rejects(start().signer(), { code: 'ERR_DATABASE' })
  await t.rejects(start().published(), { code: 'ERR_DATABASE' })

  store.failure = undefined
  store.pass(6000)
  t.same(await instance.published(), [kid])
  t.equal(store.calls, calls + 3)
})

test('The row outlives the key by a week', async (t) => {
  const { store, start } = deployment(t)
  await start().signer()
  t.equal(store.expiresMs, store.nowMs + 14 * DAY)
})
