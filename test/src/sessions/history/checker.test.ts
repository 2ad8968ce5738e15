import { test } from 'tap'
import { database } from '../../../support/database.js'
import { Checker } from './checker.js'
import type { Call, Event, Outcome, Seen } from './events.js'
import type { Mutation } from './mutations.js'
import { history } from './run.js'
import { withTable } from '../harness.js'

const ENDED = 'an ended session stays ended'
const LOST = 'no acknowledged write is lost'

/** The rule that each store breaks. */
const broken: Record<Mutation, string> = {
  'a set inserts': ENDED,
  'a set does not merge': LOST,
  'a deletion is not written': 'a deleted key stays deleted',
  'a destroy is acknowledged before it ran': ENDED,
  'a write is acknowledged and dropped': LOST,
  'a session is served under another\'s id': 'no session is served under another\'s id',
  'a session is not found': 'a session lives until it is ended',
  'a call calls back twice': 'every call calls back once',
  'an error is not ERR_DATABASE': 'a call fails with ERR_DATABASE only'
}

for (const [mutation, rule] of Object.entries(broken) as [Mutation, string][]) {
  test(`The checker finds that ${mutation}`, async (t) => {
    const { url } = await withTable(await database(t))
    const { violations } = await history(t, { url, operations: 30_000, workers: 2, mutation, until: rule })
    const found = violations.some((violation) => violation.rule === rule)
    t.ok(found, `${rule}: ${JSON.stringify(violations.slice(0, 3))}`)
  })
}

/** A call of a history written by hand, with its begin and end in seconds. */
type Made = [begin: number, end: number, call: Call, outcome?: Outcome, seen?: Seen | null]

function judge (...calls: Made[]): string[] {
  const checker = new Checker()
  const made = calls.flatMap(([begin, end, call, outcome = 'ok', seen], n): Event[] => [
    { type: 'begin', at: begin * 1e6, n, call },
    { type: 'end', at: end * 1e6, n, outcome, ...(seen === undefined ? {} : { seen }) }
  ])
  for (const event of made.sort((a, b) => a.at - b.at)) checker.take(0, event)
  checker.finish()
  return checker.violations.map(({ rule }) => rule)
}

const login: Made = [0, 1, { kind: 'login', sid: 's', sub: 'u', ttlMs: 0 }]
const reading: Call = { kind: 'read', sid: 's' }
const saw = (keys: Record<string, number> = {}): Seen => ({ self: 's', keys })
const write = (step: number, deletes = false): Call => ({ kind: 'write', sid: 's', key: 'k', step, deletes })

test('A read may see the session during a logout, but not after it', async (t) => {
  const logout: Made = [2, 4, { kind: 'destroy', sid: 's' }]
  t.same(judge(login, logout, [3, 5, reading, 'ok', saw()]), [])
  t.same(judge(login, logout, [3, 5, reading, 'ok', null]), [])
  t.same(judge(login, logout, [5, 6, reading, 'ok', saw()]), [ENDED])
  t.same(judge(login, [5, 6, reading, 'ok', null]), ['a session lives until it is ended'])
})

test('An unknown logout takes effect permanently or not at all', async (t) => {
  const logout: Made = [2, 3, { kind: 'destroy', sid: 's' }, 'unknown']
  t.same(judge(login, logout, [4, 5, reading, 'ok', saw()], [6, 7, reading, 'ok', saw()]), [])
  t.same(judge(login, logout, [4, 5, reading, 'ok', null], [6, 7, reading, 'ok', null]), [])
  t.same(judge(login, logout, [4, 5, reading, 'ok', null], [6, 7, reading, 'ok', saw()]), [ENDED])
})

test('A revocation ends all sessions of the user except one', async (t) => {
  const other: Made = [0, 1, { kind: 'login', sid: 'other', sub: 'u', ttlMs: 0 }]
  const revocation: Made = [2, 3, { kind: 'revoke', sub: 'u', except: 'other' }]
  const readOther: Call = { kind: 'read', sid: 'other' }
  t.same(judge(
    login, other, revocation,
    [4, 5, reading, 'ok', null],
    [4, 5, readOther, 'ok', { self: 'other', keys: {} }]
  ), [])
  t.same(judge(login, other, revocation, [4, 5, reading, 'ok', saw()]), [ENDED])
  t.same(judge(login, other, revocation, [4, 5, readOther, 'ok', null]), ['a session lives until it is ended'])
  t.same(judge(
    [2.5, 3.5, { kind: 'login', sid: 's', sub: 'u', ttlMs: 0 }],
    [2, 3, { kind: 'revoke', sub: 'u', except: null }],
    [4, 5, reading, 'ok', saw()]
  ), [])
})

test('A read sees the last acknowledged step of a key, or a later one', async (t) => {
  const [first, second]: [Made, Made] = [[2, 3, write(1)], [4, 6, write(2)]]
  for (const value of [1, 2]) t.same(judge(login, first, second, [5, 7, reading, 'ok', saw({ k: value })]), [])
  t.same(judge(login, first, second, [5, 7, reading, 'ok', saw()]), [LOST])
  t.same(judge(login, first, second, [7, 8, reading, 'ok', saw({ k: 1 })]), [LOST])
  t.same(judge(login, first, [4, 5, write(2), 'unknown'], [6, 7, reading, 'ok', saw({ k: 1 })]), [])
  t.same(judge(login, first, [4, 5, write(2), 'unknown'], [6, 7, reading, 'ok', saw({ k: 2 })]), [])
  t.same(judge(login, first, [4, 5, write(2), 'unknown'], [6, 7, reading, 'ok', saw()]), [LOST])
  t.same(judge(login, [6, 7, reading, 'ok', saw({ k: 9 })]), ['only written keys are served'])
})

test('A deleted key stays deleted until it is written again', async (t) => {
  const steps: Made[] = [[2, 3, write(1)], [4, 5, write(2, true)]]
  t.same(judge(login, ...steps, [6, 7, reading, 'ok', saw()]), [])
  t.same(judge(login, ...steps, [6, 7, reading, 'ok', saw({ k: 1 })]), ['a deleted key stays deleted'])
  t.same(judge(login, ...steps, [6, 7, write(3)], [8, 9, reading, 'ok', saw({ k: 3 })]), [])
})

test('A session is served until it expires and no longer', async (t) => {
  const short: Made = [0, 1, { kind: 'login', sid: 's', sub: 'u', ttlMs: 2000 }]
  t.same(judge(short, [1.1, 1.2, reading, 'ok', saw()], [4, 5, reading, 'ok', null]), [])
  t.same(judge(short, [1.1, 1.2, reading, 'ok', null]), ['a session lives until it is ended'])
  t.same(judge(short, [4, 5, reading, 'ok', saw()]), ['an expired session is not served'])
})

test('A call that ends late or never is a violation', async (t) => {
  t.same(judge([0, 9, { kind: 'prune' }]), ['every call ends by the deadline'])
  const checker = new Checker()
  checker.take(0, { type: 'begin', at: 0, n: 1, call: { kind: 'prune' } })
  checker.finish()
  t.match(checker.violations, [{ rule: 'every call calls back once' }])
})

test('A rule that is always broken hides no other rule', async (t) => {
  const lost = Array.from({ length: 2000 }, (): Made => [4, 5, reading, 'ok', saw()])
  const logout: Made = [6, 7, { kind: 'destroy', sid: 's' }]
  const rules = judge(login, [2, 3, write(1)], ...lost, logout, [8, 9, reading, 'ok', saw({ k: 1 })])
  t.ok(rules.includes(LOST))
  t.ok(rules.includes(ENDED))
  t.ok(rules.length < 1000, 'it is not reported every time')
})

test('Sessions that ended long ago are forgotten', async (t) => {
  const checker = new Checker()
  let n = 0
  const during = (at: number, call: Call) => {
    checker.take(0, { type: 'begin', at: at * 1e6, n, call })
    checker.take(0, { type: 'end', at: at * 1e6 + 1, n: n++, outcome: 'ok' })
  }
  for (let at = 0; at < 200; at++) {
    during(at, { kind: 'login', sid: `${at}`, sub: 'u', ttlMs: 0 })
    during(at, { kind: 'destroy', sid: `${at}` })
  }
  t.ok(checker.size < 30, `${checker.size} are kept`)
})
