import { inspect } from 'node:util'
import pg from 'pg'
import { test } from 'tap'
import { PgSessionStore, type PgSessionStoreOptions } from '../../../src/sessions/store.js'

/** Every option with values that it takes. */
const valid: { [Name in keyof Required<PgSessionStoreOptions>]: PgSessionStoreOptions[Name][] } = {
  pool: [new pg.Pool(), undefined],
  conString: ['postgres://127.0.0.1:1/x', undefined],
  conObject: [{ host: '127.0.0.1', port: 1 }, { scramMaxIterations: 200_000 }, {}],
  schemaName: ['app', 'the "quoted" one', undefined],
  tableName: ['sessions', '$1', undefined],
  createTableIfMissing: [true, false, undefined],
  ttl: [1, 0.5, 1e12, undefined],
  absoluteTtl: [1, 1e12, undefined],
  touchInterval: [0.001, 1e12, undefined],
  hashIds: [false, 'k'.repeat(32), Buffer.alloc(32), ['k'.repeat(32), Buffer.alloc(64)], undefined],
  preparedStatements: [true, false, undefined],
  pruneSessionInterval: [false, 0.5, 1e12, undefined],
  userKey: [['user'], ['passport', 'user'], Object.freeze(['a', 'b', 'c']), () => undefined, undefined],
  maxBytes: [1, 10_000_000, undefined],
  endCommit: ['default', 'remote_apply', undefined],
  deadline: [1, 0.5, 1e12, undefined],
  events: [{}, { tableName: 'audit' }, { maxAge: 60, onEvent: () => {} }, undefined],
  errorLog: [() => {}, undefined]
}

const texts: unknown[] = ['', 'a\0b', 1, true, null, {}, ['x'], Symbol('x')]
const booleans: unknown[] = ['true', 1, 0, null, {}, []]
const seconds: unknown[] = ['60', 0, -1, NaN, Infinity, true, null, {}, [60], 60n, new Date()]

const invalid: { [Name in keyof Required<PgSessionStoreOptions>]: unknown[] } = {
  pool: ['postgres://127.0.0.1/x', {}, null, 1, true, () => {}],
  conString: texts,
  conObject: ['postgres://127.0.0.1/x', null, 1, true, [], () => {}],
  schemaName: texts,
  tableName: texts,
  createTableIfMissing: booleans,
  ttl: seconds,
  absoluteTtl: [...seconds, false],
  touchInterval: [...seconds, false],
  hashIds: ['', 'short', true, null, 1, {}, [], ['k'.repeat(32), 'short'], [['k'.repeat(32)]], Buffer.alloc(31)],
  preparedStatements: booleans,
  pruneSessionInterval: seconds,
  userKey: ['user.sub', '', null, 1, true, {}, [], [''], ['user', 1], ['a\0b'], [['user']]],
  maxBytes: ['65536', 0, -1, 1.5, NaN, Infinity, true, null, {}, 1n],
  endCommit: ['on', 'REMOTE_APPLY', true, null],
  deadline: [...seconds, false],
  events: [true, 'auth_event', null, [], () => {}, 1],
  errorLog: ['console', null, true, {}, []]
}

const names = Object.keys(valid) as (keyof PgSessionStoreOptions)[]

function make (options: object): void {
  const store = new PgSessionStore({ pruneSessionInterval: false, conString: 'postgres://127.0.0.1:1/x', ...options })
  void store.close()
}

const show = (value: unknown): string =>
  typeof value === 'object' ? Object.prototype.toString.call(value) : inspect(value)

test('each option takes its values', (t) => {
  for (const name of names) {
    for (const value of valid[name]) {
      t.doesNotThrow(() => { make({ [name]: value }) }, `${name}: ${typeof value}`)
    }
  }
  t.doesNotThrow(() => { make(Object.create({ inherited: 1 }) as object) })
  t.end()
})

for (const name of names) {
  test(`${name} of a wrong type or value is refused by name`, (t) => {
    for (const value of invalid[name]) {
      t.throws(() => { make({ [name]: value }) }, {
        name: 'TypeError', message: new RegExp(`^PgSessionStore: ${name} must be `)
      }, Array.isArray(value) ? 'a list' : show(value))
    }
    t.end()
  })

  test(`a misspelt ${name} is refused by name, with the option that was meant`, (t) => {
    const wrong = [
      name.slice(0, -1), name.slice(1), `${name}s`, `${name} `, name.toUpperCase(),
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), `_${name}`
    ].filter((one) => !names.includes(one as typeof name))
    for (const one of wrong) {
      for (const value of [valid[name][0], undefined]) {
        t.throws(() => { make({ [one]: value }) }, {
          name: 'TypeError', message: `PgSessionStore: there is no option ${one}; did you mean ${name}?`
        })
      }
    }
    t.end()
  })
}

test('options of connect-pg-simple and of Object.prototype are no options here', (t) => {
  for (const name of ['pgPromise', 'disableTouch', 'pruneSessionRandomizedInterval', 'constructor', 'toString']) {
    t.throws(() => { make({ [name]: undefined }) }, { message: `PgSessionStore: there is no option ${name}` })
  }
  t.end()
})

test('an option that is like no other is refused without a suggestion', (t) => {
  for (const name of ['disableTouch', 'pgPromise', 'x', 'secret']) {
    t.throws(() => { make({ [name]: 1 }) }, { message: new RegExp(`there is no option ${name}$`) })
  }
  t.throws(() => { make({ tableNme: 'x' }) }, { message: /no option tableNme; did you mean tableName\?$/ })
  t.end()
})

test('options that are no object are refused', (t) => {
  for (const options of [null, 'postgres://127.0.0.1/x', 1, [], () => {}]) {
    t.throws(() => new PgSessionStore(options as object), {
      name: 'TypeError', message: 'PgSessionStore: the options must be an object'
    })
  }
  t.end()
})
