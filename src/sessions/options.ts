import { Pool, type PoolConfig } from 'pg'

export interface PgSessionStoreOptions {
  /** The pool to use; it is not closed with the store. One of `pool`, `conString` and `conObject` is needed. */
  pool?: Pool
  /** A connection string for a pool of the store's own. */
  conString?: string
  /** The configuration of a pool of the store's own. */
  conObject?: PoolConfig
  /** Default: the first schema of the search path that has the table. */
  schemaName?: string
  /** @default 'session' */
  tableName?: string
  /** @default true */
  createTableIfMissing?: boolean
  /** Idle lifetime in seconds, where the session's cookie has no expiry of its own. @default 900 */
  ttl?: number
  /** Lifetime in seconds whatever the use. Default: none. */
  absoluteTtl?: number
  /** A session's expiry is moved at most once in this many seconds, and at least twice in its lifetime. @default 60 */
  touchInterval?: number
  /** Keys: `sid` holds only HMAC-SHA256(first key, id). The others still find rows. Default `false`: `sid` holds the id. */
  hashIds?: false | string | Buffer | readonly (string | Buffer)[]
  /**
   * Statements are parsed and planned once a connection. For direct connections, and poolers that know of it (PgBouncer ≥ 1.21
   * with `max_prepared_statements`); RDS Proxy pins such a connection. Where the pooler turns out not to know of it, the
   * store does without. @default false
   */
  preparedStatements?: boolean
  /** Expired rows are removed this often, in seconds; `false`: never. @default 60 */
  pruneSessionInterval?: number | false
  /** What nobody is waiting for an answer of is reported here. Default: the event `warning`. */
  errorLog?: (message: string, error?: unknown) => void
}

/** The options, checked, with their defaults. Times in milliseconds; `undefined`: none. */
export interface Settings {
  tableName: string
  schemaName: string | undefined
  createTableIfMissing: boolean
  preparedStatements: boolean
  ttlMs: number
  absoluteTtlMs: number | undefined
  touchIntervalMs: number
  pruneIntervalMs: number | undefined
  keys: readonly (string | Buffer)[]
}

/** @throws {TypeError} naming the option that is wrong. */
export function settings (options: PgSessionStoreOptions): Settings {
  const { ttl = 900, absoluteTtl, touchInterval = 60, pruneSessionInterval = 60 } = options
  return {
    tableName: options.tableName ?? 'session',
    schemaName: options.schemaName,
    createTableIfMissing: options.createTableIfMissing ?? true,
    preparedStatements: options.preparedStatements ?? false,
    ttlMs: seconds('ttl', ttl),
    absoluteTtlMs: absoluteTtl === undefined ? undefined : seconds('absoluteTtl', absoluteTtl),
    touchIntervalMs: seconds('touchInterval', touchInterval),
    pruneIntervalMs: pruneSessionInterval === false ? undefined : seconds('pruneSessionInterval', pruneSessionInterval),
    keys: keys(options.hashIds)
  }
}

/** In milliseconds. */
function seconds (name: string, value: number): number {
  if (!Number.isFinite(value) || value <= 0) throw new TypeError(`PgSessionStore: ${name} must be a number of seconds above 0`)
  return value * 1000
}

function keys (hashIds: PgSessionStoreOptions['hashIds'] = false): readonly (string | Buffer)[] {
  if (hashIds === false) return []
  const list = Array.isArray(hashIds) ? hashIds as readonly (string | Buffer)[] : [hashIds as string | Buffer]
  const isKey = (key: unknown) => (typeof key === 'string' || Buffer.isBuffer(key)) && Buffer.byteLength(key) >= 32
  if (list.length === 0 || !list.every(isKey)) throw new TypeError('PgSessionStore: hashIds must be false, or keys of 32 bytes or more')
  return list
}

/**
 * Options of a `pg.Pool` with which every query ends within 5 s whatever happens to the database. With pg's
 * defaults, a query waits for ever when the database stalls.
 */
export const poolBounds = Object.freeze({
  connectionTimeoutMillis: 2000,
  query_timeout: 3000,
  idleTimeoutMillis: 30_000,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  maxLifetimeSeconds: 300
})

/** @throws {TypeError} when the options tell of no database. */
export function ownPool ({ conString, conObject }: PgSessionStoreOptions): Pool {
  if (conString === undefined && conObject === undefined) throw new TypeError('PgSessionStore needs one of pool, conString and conObject')
  return new Pool({ ...poolBounds, ...(conString === undefined ? {} : { connectionString: conString }), ...conObject })
}
