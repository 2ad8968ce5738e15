import { test, type Test } from 'tap'
import { nextKeyFrom, publishedAt, signerAt } from '../../../src/assertion/rotation.js'
import { SigningKeys } from '../../../src/assertion/signing-keys.js'
import { KEY_SET_MAX_AGE_S } from '../../../src/assertion/times.js'
import { fakeKeyStore, type FakeKeyStore } from '../../support/key-store.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const SECRETS = ['a secret of a test and of nothing else']

const keys = (...days: number[]) => days.map((day) => ({ fromMs: day * DAY }))

test('The last key whose time has come signs', (t) => {
  t.same(signerAt(keys(0, 7, 14), 13 * DAY), { fromMs: 7 * DAY })
  t.same(signerAt(keys(0, 7), 7 * DAY), { fromMs: 7 * DAY })
  t.same(signerAt(keys(5, 9), 0), { fromMs: 5 * DAY }, 'after the clock was set back')
  t.equal(signerAt([], 0), undefined)
  t.end()
})

test('A key is published until an hour after the next one signs', (t) => {
  t.same(publishedAt(keys(0, 7), 7 * DAY + HOUR - 1), keys(0, 7))
  t.same(publishedAt(keys(0, 7), 7 * DAY + HOUR), keys(7))
  t.end()
})

test('A key of a clock that was years ahead is dropped', (t) => {
  t.same(publishedAt(keys(0, 3650), DAY), keys(0))
  t.end()
})

test('A key is made a day before it signs, or twenty minutes when it is late', (t) => {
  t.equal(nextKeyFrom([], 5), 5)
  t.equal(nextKeyFrom(keys(0), 6 * DAY - 1), undefined)
  t.equal(nextKeyFrom(keys(0), 6 * DAY), 7 * DAY)
  t.equal(nextKeyFrom(keys(0), 7 * DAY - MINUTE), 7 * DAY + 19 * MINUTE)
  t.equal(nextKeyFrom(keys(0), 30 * DAY), 30 * DAY + 20 * MINUTE)
  t.end()
})

/** A verifier that reads the key set only when its copy has reached its age, and never for an unknown key. */
interface Verifier { maxAgeMs: number, readMs: number, kids: Set<string> }

interface Simulation {
  store: FakeKeyStore
  /** Goes on for a time in steps. */
  run (ms: number, stepMs: number): Promise<void>
  /** Keys that have signed. */
  signers: Set<string>
  unknown: number
  largest: number
  verifiers: Verifier[]
}

/** Three instances behind a balancer, and upstreams that keep the key set as their libraries do. */
function simulation (t: Test, maxAges: number[]): Simulation {
  const store = fakeKeyStore(t)
  const instances = Array.from({ length: 3 }, () => new SigningKeys(store, SECRETS))
  const verifiers = maxAges.map((maxAgeMs) => ({ maxAgeMs, readMs: -Infinity, kids: new Set<string>() }))
  let turn = 0
  /** The HTTP cache between them. */
  let cached = { readMs: -Infinity, kids: new Set<string>() }
  // Each instance gets a third of all calls, in an order that does not repeat with the verifiers.
  const next = (): SigningKeys => instances[(turn = (turn * 5 + 1) % 64) % 3] as SigningKeys
  /** Assertions that hold still: the name of their key, and until when. */
  let held: { kid: string, untilMs: number }[] = []
  const result: Simulation = { store, run, signers: new Set(), unknown: 0, largest: 0, verifiers }

  async function run (ms: number, stepMs: number): Promise<void> {
    for (const endMs = store.nowMs + ms; store.nowMs < endMs; store.pass(stepMs)) {
      for (const instance of instances) {
        const { publicJwk: { kid } } = await instance.signer(store.nowMs)
        result.signers.add(kid)
        held.push({ kid, untilMs: store.nowMs + MINUTE })
        await Promise.resolve() // a look in the background
      }
      held = held.filter(({ untilMs }) => untilMs >= store.nowMs)
      for (const verifier of verifiers) {
        if (store.nowMs - verifier.readMs >= verifier.maxAgeMs) {
          if (store.nowMs - cached.readMs >= KEY_SET_MAX_AGE_S * 1000) {
            const published = await next().published()
            cached = { readMs: store.nowMs, kids: new Set(published.map(({ kid }) => kid)) }
          }
          verifier.kids = cached.kids
          verifier.readMs = store.nowMs
          result.largest = Math.max(result.largest, verifier.kids.size)
        }
        result.unknown += held.filter(({ kid }) => !verifier.kids.has(kid)).length
      }
    }
  }
  return result
}

test('In five weeks, no upstream that reads the keys twice a day meets a key that it does not know', async (t) => {
  const simulated = simulation(t, [5 * MINUTE, 10 * MINUTE, HOUR, 12 * HOUR])

  await simulated.run(35 * DAY, 9 * MINUTE)

  t.equal(simulated.unknown, 0)
  t.equal(simulated.signers.size, 5, 'a key a week')
  t.equal(simulated.largest, 2)
})

test('A forced rotation is not noticed by an upstream that reads the keys every 10 minutes', async (t) => {
  const simulated = simulation(t, [0, 5 * MINUTE, 10 * MINUTE])
  const operator = new SigningKeys(simulated.store, SECRETS)
  await simulated.run(HOUR, MINUTE / 2)

  const from = await operator.rotate()
  t.equal(from.getTime(), simulated.store.nowMs + 20 * MINUTE)
  await simulated.run(2 * HOUR, MINUTE / 2)

  t.equal(simulated.unknown, 0)
  t.equal(simulated.signers.size, 2)
})

test('After weeks without use, the old key signs until the new one is known', async (t) => {
  const simulated = simulation(t, [10 * MINUTE])
  await simulated.run(HOUR, MINUTE)
  simulated.store.pass(13 * DAY)
  simulated.verifiers.forEach((verifier) => { verifier.readMs = -Infinity })

  await simulated.run(2 * HOUR, MINUTE)

  t.equal(simulated.unknown, 0)
  t.equal(simulated.signers.size, 2)
})
