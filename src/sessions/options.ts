import type { Pool, PoolConfig } from 'pg'
import { nearest } from './nearest.js'
import { MAX_MS } from './lifetimes.js'
import { DEFAULT_MAX_BYTES } from './serialise.js'
import type { RecordedEvent } from './statements/events.js'
import type { UserKey } from './user-key.js'

const MIN_KEY_BYTES = 32

export interface PgSessionStoreOptions {
  /**
   * The pool to use. It is not closed with the store. Without `pool`, `conString` and `conObject`, the
   * store makes a pool for the environment variable `DATABASE_URL`, or else for libpq's (`PGHOST`,
   * `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`).
   */
  pool?: Pool | undefined
  /**
   * A connection string. The store makes its own pool. With the parameter `scramMaxIterations`, the
   * role's password may have more than 100,000 iterations (PostgreSQL's `scram_iterations`).
   */
  conString?: string | undefined
  /** The configuration of the store's own pool. */
  conObject?: PoolConfig & { scramMaxIterations?: number } | undefined
  /** Default: the first schema of the search path that has the table. */
  schemaName?: string | undefined
  /** @default 'session' */
  tableName?: string | undefined
  /** @default true */
  createTableIfMissing?: boolean | undefined
  /** Idle lifetime in seconds, for sessions whose cookie has no expiry. @default 900 */
  ttl?: number | undefined
  /** Absolute lifetime in seconds. Default: none. */
  absoluteTtl?: number | undefined
  /**
   * A session's expiry moves at most once in this many seconds, but at least twice per lifetime.
   *
   * @default 60
   */
  touchInterval?: number | undefined
  /**
   * Keys of at least 32 bytes. `sid` then holds HMAC-SHA256(first key, id); the other keys still
   * find rows. `false`: `sid` holds the id itself.
   *
   * @default false
   */
  hashIds?: false | string | Buffer | readonly (string | Buffer)[] | undefined
  /**
   * Whether statements are parsed and planned once per connection. For direct connections, and for
   * poolers that support it (PgBouncer ≥ 1.21 with `max_prepared_statements`). RDS Proxy pins such
   * connections. If the pooler turns out not to support it, the store stops preparing.
   * In a table of a few hundred short rows or fewer, reads of many sessions at once can take up to
   * five times as long in the database, because PostgreSQL then compares every row with every id.
   *
   * @default false
   */
  preparedStatements?: boolean | undefined
  /** How often expired rows are removed, in seconds; `false`: never. @default 60 */
  pruneSessionInterval?: number | false | undefined
  /**
   * Where a session says whose it is, for `listByUser`, `destroyByUser` and the index of the table
   * that the store makes: the keys that lead to a string or number, or a function of the session.
   * With passport: `['passport', 'user']`.
   *
   * @default ['user', 'sub']
   */
  userKey?: UserKey | undefined
  /**
   * The longest session, in bytes of JSON. A longer row of another store can be changed as long as
   * it does not grow by more than 1 KiB at a time.
   *
   * @default 65536
   */
  maxBytes?: number | undefined
  /**
   * For everything that a call does, in seconds. Calls fail with ERR_DATABASE then. A deadline above
   * 5 s raises the time limits of the store's own pool in proportion; those of `conObject` and of a
   * given `pool` stay.
   *
   * @default 5
   */
  deadline?: number | undefined
  /**
   * Records events of sign-in in a table of their own: those that `replace`, `consume` and the methods
   * by user are given, in the statement that ends or begins the session, and those of `recordEvents`.
   * Default: none.
   */
  events?: EventOptions | undefined
  /**
   * `remote_apply`: what ends a session is committed once the synchronous standby has applied it
   * (PostgreSQL's `synchronous_commit`), so that a failover does not undo it. `default`: as the database
   * has it for everything else.
   *
   * @default 'default'
   */
  endCommit?: 'default' | 'remote_apply' | undefined
  /** Called with background errors, which no caller sees. Default: the event `warning`. */
  errorLog?: ((message: string, error?: unknown) => void) | undefined
}

export interface EventOptions {
  /** The table, which is created as the session table is, in the same schema. @default 'auth_event' */
  tableName?: string | undefined
  /** How long events are kept, in seconds. They are removed when sessions are pruned. Default: for ever. */
  maxAge?: number | undefined
  /** Called with each event that a statement of this store has committed. */
  onEvent?: ((event: RecordedEvent) => void) | undefined
}

export interface EventSettings {
  tableName: string
  maxAgeMs: number | undefined
  onEvent: ((event: RecordedEvent) => void) | undefined
}

/** The checked options with their defaults. `undefined`: none. */
export interface Settings {
  tableName: string
  schemaName: string | undefined
  createTableIfMissing: boolean
  preparedStatements: boolean
  ttlMs: number
  absoluteTtlMs: number | undefined
  touchIntervalMs: number
  pruneIntervalMs: number | undefined
  deadlineMs: number
  maxBytes: number
  userKey: UserKey
  endCommit: 'default' | 'remote_apply'
  keys: readonly (string | Buffer)[]
  events: EventSettings | undefined
}

/** @throws {TypeError} naming the invalid option. */
export function settings (options: PgSessionStoreOptions): Settings {
  checkNames(options)
  // A default replaces undefined only: null is refused.
  const {
    tableName = 'session', schemaName, createTableIfMissing = true, preparedStatements = false,
    ttl = 900, absoluteTtl, touchInterval = 60, pruneSessionInterval: interval = 60, deadline = 5,
    maxBytes = DEFAULT_MAX_BYTES, userKey: user = ['user', 'sub'], endCommit = 'default', hashIds, events
  } = options
  return {
    tableName: text('tableName', tableName),
    schemaName: schemaName === undefined ? undefined : text('schemaName', schemaName),
    createTableIfMissing: flag('createTableIfMissing', createTableIfMissing),
    preparedStatements: flag('preparedStatements', preparedStatements),
    ttlMs: milliseconds('ttl', ttl),
    absoluteTtlMs: absoluteTtl === undefined ? undefined : milliseconds('absoluteTtl', absoluteTtl),
    touchIntervalMs: milliseconds('touchInterval', touchInterval),
    pruneIntervalMs: interval === false ? undefined : milliseconds('pruneSessionInterval', interval),
    deadlineMs: milliseconds('deadline', deadline),
    maxBytes: bytes('maxBytes', maxBytes),
    userKey: userKey(user),
    endCommit: commit(endCommit),
    keys: keys(hashIds),
    events: events === undefined ? undefined : eventSettings(events)
  }
}

/** Every option, so that a misspelt one is not silently without effect. */
const NAMES: Readonly<Record<keyof PgSessionStoreOptions, true>> = {
  pool: true,
  conString: true,
  conObject: true,
  schemaName: true,
  tableName: true,
  createTableIfMissing: true,
  ttl: true,
  absoluteTtl: true,
  touchInterval: true,
  hashIds: true,
  preparedStatements: true,
  pruneSessionInterval: true,
  userKey: true,
  maxBytes: true,
  deadline: true,
  events: true,
  endCommit: true,
  errorLog: true
}

function checkNames (options: PgSessionStoreOptions): void {
  if (!isObject(options)) throw invalid('the options', 'an object')
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(NAMES, name))
  if (unknown !== undefined) {
    const known = nearest(unknown, Object.keys(NAMES))
    const hint = known === undefined ? '' : `; did you mean ${known}?`
    throw new TypeError(`PgSessionStore: there is no option ${unknown}${hint}`)
  }
  const { pool, conString, conObject, errorLog } = options
  if (pool !== undefined && typeof (pool as Partial<Pool> | null)?.connect !== 'function') {
    throw invalid('pool', 'a pg.Pool')
  }
  if (conString !== undefined) text('conString', conString)
  if (conObject !== undefined && !isObject(conObject)) throw invalid('conObject', 'an object')
  if (errorLog !== undefined && typeof errorLog !== 'function') throw invalid('errorLog', 'a function')
}

const EVENT_NAMES: Readonly<Record<keyof EventOptions, true>> = { tableName: true, maxAge: true, onEvent: true }

function eventSettings (options: EventOptions): EventSettings {
  if (!isObject(options)) throw invalid('events', 'an object')
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(EVENT_NAMES, name))
  if (unknown !== undefined) throw new TypeError(`PgSessionStore: events has no option ${unknown}`)
  const { tableName = 'auth_event', maxAge, onEvent } = options
  if (onEvent !== undefined && typeof onEvent !== 'function') throw invalid('events.onEvent', 'a function')
  return {
    tableName: text('events.tableName', tableName),
    maxAgeMs: maxAge === undefined ? undefined : milliseconds('events.maxAge', maxAge),
    onEvent
  }
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const invalid = (name: string, expected: string): TypeError =>
  new TypeError(`PgSessionStore: ${name} must be ${expected}`)

function text (name: string, value: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw invalid(name, 'a text that is not empty')
  }
  return value
}

function flag (name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw invalid(name, 'true or false')
  return value
}

function commit (value: Settings['endCommit']): Settings['endCommit'] {
  if (!['default', 'remote_apply'].includes(value)) throw invalid('endCommit', 'default or remote_apply')
  return value
}

/** An option in seconds, in milliseconds. */
function milliseconds (name: string, seconds: number): number {
  if (!Number.isFinite(seconds) || seconds <= 0) throw invalid(name, 'a number of seconds above 0')
  return seconds * 1000
}

/** A lifetime from now in seconds, in milliseconds. @throws {TypeError} for one whose end is no date. */
export function lifetime (name: string, seconds: number): number {
  const durationMs = milliseconds(name, seconds)
  if (Date.now() + durationMs > MAX_MS) throw invalid(name, 'a number of seconds that ends before the year 275760')
  return durationMs
}

function bytes (name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value <= 0) throw invalid(name, 'a whole number of bytes above 0')
  return value
}

function userKey (key: UserKey): UserKey {
  const isPath = Array.isArray(key) && key.length > 0 &&
    key.every((part) => typeof part === 'string' && part !== '' && !part.includes('\0'))
  if (!isPath && typeof key !== 'function') throw invalid('userKey', 'a list of keys or a function')
  return key
}

/** @throws {TypeError} */
export function keys (hashIds: PgSessionStoreOptions['hashIds'] = false): readonly (string | Buffer)[] {
  if (hashIds === false) return []
  const list = Array.isArray(hashIds) ? hashIds as (string | Buffer)[] : [hashIds as string | Buffer]
  const isKey = (key: unknown) =>
    (typeof key === 'string' || Buffer.isBuffer(key)) && Buffer.byteLength(key) >= MIN_KEY_BYTES
  if (list.length === 0 || !list.every(isKey)) {
    throw invalid('hashIds', `false or keys of at least ${MIN_KEY_BYTES} bytes`)
  }
  return list
}
