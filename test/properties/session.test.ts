import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { test } from 'tap'
import type { SessionData } from '../../src/sessions/index.js'
import { contentIn, parse, serialise } from '../../src/sessions/serialise.js'
import { anyString, holds } from '../support/properties.js'
import { schema, sessions } from '../src/sessions/harness.js'

/** Sessions per case, which the store sends as a few statements. The test with changes runs a quarter of the cases. */
const TOGETHER = 200

/**
 * Whether JSON.parse misreads an escaped key, such as a line break, as an earlier key that begins with a backslash.
 * V8 of Node.js 24 and 26 does, so no store can read such a row correctly. Then no key begins with a backslash.
 *
 * @see {@link https://github.com/nodejs/node/issues/63785}
 */
const misreadsKeys = !['{"a":1,"\\\\":1}', '{"a":1,"\\n":1}']
  .map((text) => JSON.parse(text) as object)
  .flatMap(Object.keys)
  .includes('\n')

/** Keys with a meaning in JavaScript, JSON, session libraries or the store. */
const key = fc.oneof(anyString(12), fc.constantFrom(
  '', '__proto__', 'constructor', 'prototype', 'toString', 'toJSON', 'hasOwnProperty', 'then',
  'user', 'createdAt', 'id', '~', '0', '-1', '\u0000', '\ud800'
))
  .filter((name) => !misreadsKeys || !name.startsWith('\\'))
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, 5e-324, 1.7976931348623157e308, 1e21, 2 ** 53, 0.1 + 0.2)
)
const leaf = fc.oneof(fc.constantFrom(null, true, false), number, anyString(30))

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 3 }).map(record))
}))
/** A value nested in up to 2,000 lists or objects. */
const deep = fc.tuple(leaf, fc.nat(2000), fc.boolean()).map(([inner, depth, list]) => {
  let value: unknown = inner
  for (let i = 0; i < depth; i++) value = list ? [value] : { k: value }
  return value
})

/** An object with own keys only, as JSON.parse makes it. */
function record (entries: [string, unknown][]): Record<string, unknown> {
  return Object.fromEntries(entries)
}

/** Keys that a session cannot have at its top level. */
const UNSTORABLE = ['__proto__', '~row']
const content = fc.array(fc.tuple(key, value), { maxLength: 5 }).map(record)
const session = fc.tuple(content, fc.constantFrom(null, 3_600_000)).map(([all, maxAge]): SessionData => {
  const { cookie: _cookie, ...rest } = all
  return {
    cookie: {
      originalMaxAge: maxAge,
      expires: maxAge === null ? null : new Date(Date.now() + maxAge)
    },
    ...rest
  }
})
const withAnyCookie = fc
  .tuple(content, fc.oneof(value, fc.record({ originalMaxAge: value })))
  .map(([all, cookie]) => ({ ...all, cookie }))
const storable = session.filter((one) => UNSTORABLE.every((name) => !Object.hasOwn(one, name)))

/** A session as JSON, without its cookie. */
function contentOf (one: SessionData | null): unknown {
  const { cookie: _cookie, '~row': _row, ...rest } = one ?? {}
  return JSON.parse(JSON.stringify(rest)) as unknown
}

/** A copy, because fast-check reuses objects while shrinking, and the store inserts each object only once. */
const fresh = <Session extends object>(one: Session): Session => ({ ...one })

test('any session is read back as its JSON', async (t) => {
  const db = await schema(t)
  const { set, get, clear } = sessions(t, { conString: db.url, hashIds: 'k'.repeat(32) })
  await holds(
    fc.asyncProperty(
      fc.array(storable, { minLength: TOGETHER, maxLength: TOGETHER + 50 }),
      async (all) => {
        await Promise.all(all.map((one, index) => set(`id-${index}`, fresh(one))))
        const loaded = await Promise.all(all.map((_one, index) => get(`id-${index}`)))
        await clear()
        return all.every((one, index) =>
          isDeepStrictEqual(contentOf(one), contentOf(loaded[index] ?? null))
        )
      }
    ),
    { casesInOne: TOGETHER }
  )
})

test('changes to a session are read back', async (t) => {
  const db = await schema(t)
  const { set, load, clear } = sessions(t, { conString: db.url })
  await holds(
    fc.asyncProperty(
      fc.array(fc.tuple(storable, storable), { minLength: TOGETHER, maxLength: TOGETHER + 50 }),
      async (all) => {
        await Promise.all(all.map(([one], index) => set(`id-${index}`, fresh(one))))
        const results = await Promise.all(
          all.map(async ([one, changes], index) => {
            const here = await load(`id-${index}`)
            await set(`id-${index}`, here)
            const { cookie: _cookie, ...changed } = changes
            const there = Object.assign(await load(`id-${index}`), changed)
            await set(`id-${index}`, there)
            return isDeepStrictEqual(
              contentOf(await load(`id-${index}`)),
              contentOf({ ...one, ...changed })
            )
          })
        )
        await clear()
        return results.every(Boolean)
      }
    ),
    { casesInOne: TOGETHER * 4 }
  )
})

test('a value in up to 2,000 lists or objects is read back', async (t) => {
  const db = await schema(t)
  const { set, load } = sessions(t, { conString: db.url })
  await holds(fc.asyncProperty(deep, async (value) => {
    await set('id', { value })
    return JSON.stringify((await load('id'))['value']) === JSON.stringify(value)
  }), { casesInOne: 50 })
})

test('a session can be read back, or is refused', async () => {
  await holds(
    fc.property(
      fc.oneof(
        { weight: 8, arbitrary: session },
        { weight: 1, arbitrary: withAnyCookie },
        {
          weight: 1,
          arbitrary: fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true })
        }
      ),
      (one) => {
        let sess: string
        try {
          sess = serialise(one as SessionData)
        } catch (error) {
          return (error as { code?: string }).code === 'ERR_SESSION_VALUE'
        }
        const read = parse(sess)?.session
        return (
          read !== undefined &&
          JSON.stringify(contentOf(read)) === contentIn(sess) &&
          isDeepStrictEqual(contentOf(read), contentOf(one as SessionData))
        )
      }
    )
  )
})

test('any JSON in a row is read as a session or not at all', async () => {
  const json = fc.oneof(
    fc.json(),
    fc.json().map((text) => `{"cookie":${text}}`),
    content.map((all) => JSON.stringify(all)),
    anyString(60)
  )
  await holds(fc.property(json, (text) => {
    const read = parse(text)?.session
    return (
      read === undefined ||
      (Object.getPrototypeOf(read) === Object.prototype &&
        !Object.hasOwn(read, '__proto__') &&
        typeof (read.cookie ?? {}) === 'object')
    )
  }))
})
