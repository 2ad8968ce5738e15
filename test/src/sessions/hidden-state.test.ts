import assert from 'node:assert'
import { inspect, promisify } from 'node:util'
import { test, type Test } from 'tap'
import { agent } from '../../support/agent.js'
import { gate } from '../../support/gate.js'
import { rows, schema, session, sessions } from './harness.js'
import { call, libraries, type Handler, type WebRequest, type WebSession } from './libraries.js'

const KEYS = 'k'.repeat(32)

/** As lodash's `cloneDeep`: own enumerable properties, symbols too, and the prototype. */
function cloneDeep<Value> (value: Value): Value {
  if (value instanceof Date) return new Date(value) as Value
  if (Array.isArray(value)) return value.map(cloneDeep) as Value
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.create(Object.getPrototypeOf(value) as object) as object
  for (const key of Object.keys(value)) Reflect.set(copy, key, cloneDeep(Reflect.get(value, key)))
  // lodash copies what symbols refer to as well, which here is the request and the store
  for (const key of Object.getOwnPropertySymbols(value)) {
    if (Object.prototype.propertyIsEnumerable.call(value, key)) {
      Reflect.set(copy, key, Reflect.get(value, key))
    }
  }
  return copy as Value
}

/** The content of a session, deeply copied. */
function contentOf ({ session: { cookie: _, ...content } }: WebRequest): Record<string, unknown> {
  return structuredClone(content)
}

interface Profile { name: string }

/** Ways to change `profile.name` by a copy of the session. */
const copies: Record<string, (request: WebRequest) => unknown> = {
  'structuredClone and Object.assign': (request) => {
    const content = contentOf(request) as { profile: Profile }
    content.profile.name = 'changed'
    Object.assign(request.session, content)
  },
  'cloneDeep and Object.assign': ({ session }) => {
    const { profile } = cloneDeep({ profile: session['profile'] as Profile })
    profile.name = 'changed'
    Object.assign(session, { profile })
  }
}

/** Ways that only @fastify/session allows, whose sessions are known by properties. */
const wholeCopies: typeof copies = {
  'cloneDeep of the whole session': (request) => {
    const copy = cloneDeep(request.session)
    const profile = copy['profile'] as Profile
    profile.name = 'changed'
    request.session = copy
  }
}

/** Ways to pass a copy to `store.set`. */
const passed: Record<string, (session: WebSession) => object> = {
  'a spread': (session) => ({ ...session, profile: { name: 'changed' } }),
  'a spread with a copied cookie': (session) => ({
    ...session, cookie: cloneDeep(session.cookie), profile: { name: 'changed' }
  }),
  'a JSON copy': (session) => ({
    ...JSON.parse(JSON.stringify(session)) as object, profile: { name: 'changed' }
  })
}

for (const [library, serveApplication] of Object.entries(libraries)) {
  /** A visitor who has signed in, of an application with these handlers, and another process. */
  const visitor = async (t: Test, handlers: Record<string, Handler>) => {
    const db = await schema(t)
    const { store } = sessions(t, { conString: db.url, hashIds: KEYS })
    const other = sessions(t, { conString: db.url, hashIds: KEYS }).store
    const common: Record<string, Handler> = {
      '/in': ({ session }) => {
        Object.assign(session, { user: 'alice', profile: { name: 'Alice' } })
      },
      '/': (request) => contentOf(request),
      '/out': async (request) => { await call(request, 'destroy') },
      '/both': ({ session }) => { session['both'] = true }
    }
    const visit = agent(await serveApplication(t, { store, handlers: { ...common, ...handlers } }))
    const elsewhere = agent(await serveApplication(t, { store: other, handlers: common }))
    await visit('/in')
    elsewhere.cookies.set('sid', visit.cookies.get('sid') ?? '')
    return { db, store, visit, elsewhere }
  }

  test(`${library}: nothing of the row shows in a session`, async (t) => {
    let found: WebSession | undefined
    const { db, visit } = await visitor(t, { '/look': ({ session }) => { found = session } })
    await visit('/look')
    const [row] = await rows(db)
    assert.ok(found)

    const inFor: string[] = []
    for (const key in found) inFor.push(key)
    const own = ['cookie', 'profile', 'user']
    t.same(Object.keys(found).sort(), own)
    t.same(inFor.filter((key) => Object.hasOwn(found as object, key)).sort(), own)
    t.notOk(inFor.includes('toJSON'))
    t.same(Object.keys(JSON.parse(JSON.stringify(found)) as object).sort(), own)
    for (const options of [{}, { showHidden: true }]) {
      const text = inspect(found, options)
      t.notOk(text.includes(row?.sid ?? ''), inspect(options))
      t.notMatch(text, /LoadedRow|xmin|~row|~store/)
    }
    t.notOk(JSON.stringify(found).includes(row?.sid ?? ''))
  })

  const ways = library === '@fastify/session' ? { ...copies, ...wholeCopies } : copies
  for (const [what, change] of Object.entries(ways)) {
    test(`${library}: a change by ${what} is kept, and so are other requests'`, async (t) => {
      const [arrival, door] = [gate(), gate()]
      const { visit, elsewhere } = await visitor(t, {
        '/copy': async (request) => {
          arrival.open()
          await door.passed
          await change(request)
        }
      })
      const slow = visit('/copy')
      await arrival.passed
      await elsewhere('/both')
      door.open()
      t.equal((await slow).status, 200)

      t.same((await elsewhere('/')).json, { user: 'alice', profile: { name: 'changed' }, both: true })
    })

    test(`${library}: ${what} after a logout elsewhere brings nothing back`, async (t) => {
      const [arrival, door] = [gate(), gate()]
      const { db, visit, elsewhere } = await visitor(t, {
        '/copy': async (request) => {
          arrival.open()
          await door.passed
          await change(request)
        }
      })
      const slow = visit('/copy')
      await arrival.passed
      await elsewhere('/out')
      door.open()
      await slow

      t.same(await rows(db), [])
    })
  }

  for (const [what, copy] of Object.entries(passed)) {
    for (const isLoggedOut of [false, true]) {
      const then = isLoggedOut ? 'after a logout elsewhere brings nothing back' : 'is kept'
      test(`${library}: ${what} through store.set ${then}`, async (t) => {
        const [arrival, door] = [gate(), gate()]
        const { db, store, visit, elsewhere } = await visitor(t, {
          '/copy': async (request) => {
            arrival.open()
            await door.passed
            const { id, sessionId } = request.session as unknown as Record<string, string>
            await promisify(store.set.bind(store))(id ?? sessionId ?? '', copy(request.session))
          }
        })
        const slow = visit('/copy')
        await arrival.passed
        await elsewhere(isLoggedOut ? '/out' : '/both')
        door.open()
        t.equal((await slow).status, 200)

        if (isLoggedOut) {
          t.same(await rows(db), [])
        } else {
          const content = { user: 'alice', profile: { name: 'changed' }, both: true }
          t.same((await elsewhere('/')).json, content)
        }
      })
    }
  }

  test(`${library}: a cleared session does not come back after a logout elsewhere`, async (t) => {
    const [arrival, door] = [gate(), gate()]
    const { db, visit, elsewhere } = await visitor(t, {
      '/clear': async ({ session }) => {
        arrival.open()
        await door.passed
        // without its cookie, neither library can save a session
        for (const key in session) if (key !== 'cookie') Reflect.deleteProperty(session, key)
        session['cleared'] = true
      }
    })
    const slow = visit('/clear')
    await arrival.passed
    await elsewhere('/out')
    door.open()
    await slow

    t.same(await rows(db), [])
  })

  test(`${library}: save twice, reload and regenerate keep to the row`, async (t) => {
    const { db, visit } = await visitor(t, {
      '/twice': async (request) => {
        request.session['n'] = 1
        await call(request, 'save')
        request.session['n'] = 2
        await call(request, 'save')
      },
      '/reload': async (request) => {
        request.session['n'] = 'thrown away'
        await call(request, 'reload')
        request.session['reloaded'] = true
        await call(request, 'save')
        return Object.keys(request.session)
      },
      '/regenerate': async (request) => {
        await call(request, 'regenerate')
        request.session['fresh'] = true
      }
    })

    t.equal((await visit('/twice')).status, 200)
    t.match((await visit('/')).json, { user: 'alice', n: 2 })
    t.match((await visit('/reload')).text, /reloaded/)
    t.match((await visit('/')).json, { user: 'alice', n: 2, reloaded: true })
    const [before] = await rows(db)
    t.equal((await visit('/regenerate')).status, 200)
    t.same((await visit('/')).json, { fresh: true })
    const after = await rows(db)
    t.equal(after.length, 1)
    t.not(after[0]?.sid, before?.sid)
  })
}

test('what get gives has the keys of its content, and for...in shows toJSON besides', async (t) => {
  const { store, set } = sessions(t, { conString: (await schema(t)).url })
  await set('id', session({ user: 'alice' }, 900))

  const found = await promisify(store.get.bind(store))('id') as object

  const keys: string[] = []
  for (const key in found) keys.push(key)
  t.same(Object.keys(found).sort(), ['cookie', 'user'])
  t.same(keys.sort(), ['cookie', 'toJSON', 'user'])
  t.same(Object.keys(JSON.parse(JSON.stringify(found)) as object).sort(), ['cookie', 'user'])
})

test('promises.get gives plain objects', async (t) => {
  const { set, get } = sessions(t, { conString: (await schema(t)).url })
  await set('id', { cookie: { originalMaxAge: null }, user: { name: 'Alice' } })

  const found = await get('id')

  assert.deepStrictEqual(found, { cookie: { originalMaxAge: null }, user: { name: 'Alice' } })
  t.equal(
    inspect(found, { showHidden: true, sorted: true }),
    '{ cookie: { originalMaxAge: null }, user: { name: \'Alice\' } }'
  )
})

const plainCopies: Record<string, (loaded: object) => object> = {
  'spread': (loaded) => ({ ...loaded }),
  'structuredClone': (loaded) => structuredClone(loaded),
  'JSON copy': (loaded) => JSON.parse(JSON.stringify(loaded)) as object,
  'cleared object': (loaded) => {
    for (const key of Object.keys(loaded)) Reflect.deleteProperty(loaded, key)
    return loaded
  }
}

for (const [what, copy] of Object.entries(plainCopies)) {
  test(`a ${what} of a loaded session is that session`, async (t) => {
    const db = await schema(t)
    const [one, other] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
    await one.set('id', session({ user: 'alice' }, 900))

    const loaded = await one.load('id')
    await other.set('id', Object.assign(await other.load('id'), { both: true }))
    await one.set('id', Object.assign(copy(loaded), { n: 1 }))
    const kept = what === 'cleared object' ? {} : { user: 'alice' }
    t.match(await other.load('id'), { ...kept, both: true, n: 1 })

    const again = await one.load('id')
    await other.destroy('id')
    await one.set('id', Object.assign(copy(again), { n: 2 }))
    t.same(await rows(db), [])
  })
}
