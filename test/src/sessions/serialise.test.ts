import { test } from 'tap'
import {
  contentIn, contentOf, hasContent, isSameLifetime, lifetimeOf, parse, serialise
} from '../../../src/sessions/serialise.js'
import type { SessionData } from '../../../src/sessions/types.js'

test('a session is serialised with its cookie first', (t) => {
  t.equal(
    serialise({ user: 'alice', cookie: { originalMaxAge: 1000 } }),
    '{"cookie":{"originalMaxAge":1000},"user":"alice"}'
  )
  t.equal(serialise({ cookie: {} }), '{"cookie":{}}')
  t.equal(serialise({ a: 1 }), '{"cookie":{},"a":1}')
  t.end()
})

const circular: SessionData = {}
circular['self'] = circular
for (const [what, session] of Object.entries<unknown>({
  'a circular value': circular,
  'a BigInt': { count: 1n },
  'a BigInt in its cookie': { cookie: { size: 1n } },
  'a toJSON that throws': { bad: { toJSON () { throw new Error('no') } } },
  'more than 64 KiB': { text: 'x'.repeat(65_536) },
  'more than 64 KiB of UTF-8': { text: 'é'.repeat(33_000) },
  'more than 64 KiB of three bytes each': { text: '東'.repeat(21_850) },
  'null': null,
  'an array': [],
  'a cookie that is a string': { cookie: 'text' },
  'a cookie whose lifetime is a string': { cookie: { originalMaxAge: '1000' } },
  'a key __proto__': JSON.parse('{"__proto__":{"admin":true}}') as unknown,
  'a key ~store': { '~store': 1 }
})) {
  test(`${what} cannot be stored`, (t) => {
    t.throws(() => serialise(session as SessionData), { code: 'ERR_SESSION_VALUE', statusCode: 500 })
    t.end()
  })
}

test('64 KiB can be stored', (t) => {
  const empty = serialise({ text: '' }).length
  t.equal(serialise({ text: 'x'.repeat(65_536 - empty) }).length, 65_536)
  t.throws(() => serialise({ text: 'x'.repeat(65_537 - empty) }), { code: 'ERR_SESSION_VALUE' })
  t.end()
})

test('parse restores what serialise wrote', (t) => {
  const session = {
    cookie: { originalMaxAge: 1000, expires: null },
    text: 'Zürich 東京 🦊 \u0000 \ud800',
    list: [1, [2, { three: 3.5e-7 }]],
    no: null,
    yes: true
  }
  t.same(parse(serialise(session))?.session, session)
  t.end()
})

for (const sess of [
  '[]', '[{"cookie":{}}]', '"text"', '1', 'null', 'true', '', '{', '{"__proto__":{"admin":true},"cookie":{}}',
  '{"cookie":null}', '{"cookie":"text"}', '{"cookie":1}', '{"cookie":[]}',
  '{"cookie":{"originalMaxAge":"soon"}}', '{"cookie":{"originalMaxAge":{}}}'
]) {
  test(`${sess === '' ? 'an empty string' : sess} is not a session`, (t) => {
    t.equal(parse(sess), undefined)
    t.end()
  })
}

for (const sess of [
  '{}', '{"cookie":{}}', '{"cookie":{"originalMaxAge":null}}', '{"cookie":{"originalMaxAge":1},"a":{"__proto__":1}}'
]) {
  test(`${sess} is a session`, (t) => {
    t.equal(JSON.stringify(parse(sess)?.session), sess)
    t.end()
  })
}

test('a session changes with its content or its cookie\'s lifetime', (t) => {
  const of = (cookie: object, content: object = { a: 1 }) => contentOf({ ...content, cookie })
  t.equal(
    of({ originalMaxAge: 1, expires: new Date(0), path: '/' }),
    of({ originalMaxAge: 1, expires: new Date(1), path: '/x' })
  )
  t.not(of({}, { a: 1 }), of({}, { a: 2 }))
  t.equal(lifetimeOf({ cookie: { originalMaxAge: null } }), lifetimeOf({}))
  t.equal(lifetimeOf({ cookie: { originalMaxAge: 1 } }), 1)
  for (const [loaded, present] of [[null, null], [1000, 1000], [1000, 999], [1000, 901]] as const) {
    t.ok(isSameLifetime(loaded, present))
  }
  for (const [loaded, present] of [[null, 0], [0, null], [1000, 1001], [1000, 900], [60_000, 300]] as const) {
    t.notOk(isSameLifetime(loaded, present))
  }
  t.end()
})

for (const session of [
  { cookie: {} },
  { cookie: {}, a: 1 },
  { cookie: { path: '/', expires: null }, a: { b: '}' } },
  { cookie: { path: '/}' }, a: 1 },
  { cookie: { path: '},' }, a: 1 },
  { cookie: { path: '},"' } },
  { cookie: { path: 'a"},' }, a: 1 },
  { cookie: { nested: { a: 1 } }, b: 2 },
  { cookie: { '': {}, '\0': 0 } },
  { cookie: { list: ['},"'], maxAge: null }, a: 1 },
  { cookie: { '},"a":1': 0 }, b: 2 },
  { 'cookie': {}, '}': 1, '"': 2 }
]) {
  test(`contentIn finds the content of ${JSON.stringify(session)}`, (t) => {
    t.equal(contentIn(serialise(session)), contentOf(session))
    for (const own of [{}, { created: 1 }, { user: '"},', created: 1 }]) {
      const sess = serialise(session, { own })
      t.equal(contentIn(sess), contentOf(session), sess)
      t.ok(hasContent(sess, contentOf(session)), sess)
      t.notOk(hasContent(sess, contentOf({ ...session, other: 1 })), sess)
      t.notOk(hasContent(sess, '{"~store":{"created":1}}'), sess)
    }
    t.end()
  })
}

test('contentIn accepts JSON that other software wrote', (t) => {
  t.equal(contentIn('{ "a" : 1, "cookie" : { "path" : "/" } }'), '{"a":1}')
  t.equal(contentIn('{"a":1,"cookie":{}}'), '{"a":1}')
  t.equal(contentIn('{"a":1}'), '{"a":1}')
  t.equal(contentIn('{"cookie":{} ,"a":1}'), '{"a":1}')
  t.equal(contentIn('{"cookie":{}, "a":1}'), '{"a":1}')
  t.equal(contentIn('{"a":{"cookie":{},"b":2},"cookie":{}}'), '{"a":{"cookie":{},"b":2}}')
  t.equal(contentIn('[]'), '{}')
  for (const sess of ['{"cookie":{},"a":1} ', ' {"cookie":{},"a":1}', '{"~store":{"created":1},"cookie":{},"a":1}']) {
    t.equal(contentIn(sess), '{"a":1}', sess)
    t.ok(hasContent(sess, '{"a":1}'), sess)
    t.notOk(hasContent(sess, '{"a":2}'), sess)
  }
  t.end()
})
