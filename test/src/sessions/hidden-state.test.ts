import { deepStrictEqual } from 'node:assert'
import { inspect } from 'node:util'
import { test } from 'tap'
import { copyWith } from '../../../src/sessions/index.js'
import { gate } from '../../support/gate.js'
import { application, LIBRARIES, type Session } from './applications.js'
import { rows, schema, session, sessions } from './harness.js'

const content = ({ cookie: _, ...rest }: Session) => rest

for (const library of LIBRARIES) {
  test(`${library}: what the store knows does not show in the session`, async (t) => {
    const db = await schema(t)
    const { store } = sessions(t, { conString: db.url, absoluteTtl: 3600, hashIds: 'k'.repeat(32) })
    const app = await application(t, library, store, {
      '/in': ({ session }) => { session['user'] = 'alice' },
      '/keys': ({ session }) => {
        const listed: string[] = []
        for (const key in session) if (Object.hasOwn(session, key)) listed.push(key)
        const printed = inspect(session, { showHidden: true, depth: 9 })
        return { keys: Object.keys(session), listed, own: Object.getOwnPropertyNames(session), printed, json: session }
      }
    })
    const { get } = app.visitor()
    await get('/in')
    const { body } = await get('/keys')
    const { keys, listed, own, printed, json } = body as Record<string, string[]>

    const [{ sid } = { sid: '' }] = await rows(db)
    t.same(new Set(keys), new Set(['cookie', 'user']))
    t.same(new Set(listed), new Set(['cookie', 'user']))
    t.notOk(own?.includes('toJSON'))
    t.same(Object.keys(json as object).sort(), ['cookie', 'user'])
    t.match(sid, /^h1\./)
    t.notOk(String(printed).includes(sid))
    t.notMatch(String(printed), /LoadedRow|isCreatedStored/)
  })

  for (const [name, copy] of Object.entries<(one: Session) => Session>({
    'a structured clone': (one) => structuredClone(content(one)) as Session,
    'a JSON copy': (one) => JSON.parse(JSON.stringify(content(one))) as Session,
    'a spread copy': (one) => ({ ...content(one) }) as unknown as Session
  })) {
    test(`${library}: ${name} that is put back keeps the changes`, async (t) => {
      const { store } = sessions(t, { conString: (await schema(t)).url })
      const app = await application(t, library, store, {
        '/in': ({ session }) => { session['list'] = [1] },
        '/change': ({ session }) => {
          const changed = copy(session)
          changed['list'] = [1, 2]
          Object.assign(session, changed)
        },
        '/': ({ session }) => session['list']
      })
      const { get } = app.visitor()
      await get('/in')
      t.match(await get('/change'), { status: 200 })
      t.same((await get('/')).body, [1, 2])
    })
  }

  test(`${library}: a session that is cleared key by key stays ended after a sign-out elsewhere`, async (t) => {
    const db = await schema(t)
    const { store } = sessions(t, { conString: db.url })
    const other = sessions(t, { conString: db.url })
    const [arrived, door] = [gate(), gate()]
    const app = await application(t, library, store, {
      '/in': ({ session }) => { session['user'] = 'alice' },
      '/slow': async ({ session }) => {
        for (const key in session) if (key !== 'cookie') Reflect.deleteProperty(session, key)
        arrived.open()
        await door.passed
        session['late'] = true
      },
      '/': ({ session }) => session['late'] ?? session['user'] ?? null
    })
    const { get } = app.visitor()
    await get('/in')
    const slow = get('/slow')
    await arrived.passed
    await other.clear()
    door.open()
    await slow
    t.same(await rows(db), [])
    t.equal((await get('/')).body, null)
  })
}

for (const [name, copy] of Object.entries<(one: object) => object>({
  'structuredClone': (one) => structuredClone(one),
  'a JSON copy': (one) => JSON.parse(JSON.stringify(one)) as object,
  'a spread': (one) => ({ ...one }),
  'Object.assign': (one) => Object.assign({}, one),
  'copyWith': (one) => copyWith(one, {}),
  'copyWith with a cookie': (one) => copyWith(one as Session, { cookie: { originalMaxAge: 1_800_000 } })
})) {
  test(`${name} of a loaded session does not bring it back`, async (t) => {
    const db = await schema(t)
    const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
    await here.set('id', session({ user: 'alice' }, 900))
    const copied = Object.assign(copy(await here.load('id')), { late: true })
    await there.destroy('id')
    await here.set('id', copied)
    t.same(await rows(db), [])
  })

  test(`${name} of a loaded session does not overwrite another change`, async (t) => {
    const db = await schema(t)
    const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
    await here.set('id', session({ user: 'alice' }, 900))
    const copied = Object.assign(copy(await here.load('id')), { here: true })
    await there.set('id', Object.assign(await there.load('id'), { there: true }))
    await here.set('id', copied)
    t.match(await here.load('id'), { user: 'alice', here: true, there: true })
  })
}

test('a deep copy with the cookie of a library, which has no expiry, does not bring a session back', async (t) => {
  const db = await schema(t)
  const [here, there] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
  const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }
  await here.set('id', { cookie, user: 'alice' })
  const copied = structuredClone(await here.load('id'))
  await there.destroy('id')
  await here.set('id', copied)
  t.same(await rows(db), [])
})

test('an id that was loaded and destroyed can be used for a new session', async (t) => {
  const { set, load, destroy } = sessions(t, { conString: (await schema(t)).url })
  for (const maxAge of [undefined, 900]) {
    await set('id', session({ step: 1 }, maxAge))
    await load('id')
    await destroy('id')
    await set('id', session({ step: 2 }, maxAge))
    t.match(await load('id'), { step: 2 })
    await destroy('id')
  }
})

test('sessions outside of a library are plain objects', async (t) => {
  const { store, set, get, all } = sessions(t, { conString: (await schema(t)).url, absoluteTtl: 3600 })
  await set('id', session({ user: { sub: 'alice' } }))
  const expected = { cookie: { originalMaxAge: null, expires: null }, user: { sub: 'alice' } }
  deepStrictEqual(await get('id'), expected)
  deepStrictEqual((await all())[0], expected)
  deepStrictEqual((await store.listByUser('alice'))[0]?.session, expected)
  t.pass('they equal plain objects')
})

test('a session of one table is new in another', async (t) => {
  const db = await schema(t)
  const one = sessions(t, { conString: db.url })
  const two = sessions(t, { conString: db.url, tableName: 'other' })
  await one.set('id', session({ user: 'alice' }, 900))
  await two.set('id', await one.load('id'))
  t.match(await two.load('id'), { user: 'alice' })
})
