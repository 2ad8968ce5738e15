import type { Pool, PoolConfig } from 'pg'

const MIN_KEY_BYTES = 32

export interface PgSessionStoreOptions {
  /**
   * The pool to use. It is not closed with the store. Without `pool`, `conString` and `conObject`, the
   * store makes a pool for the environment variable `DATABASE_URL`, or else for libpq's (`PGHOST`,
   * `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`).
   */
  pool?: Pool
  /**
   * A connection string. The store makes its own pool. With the parameter `scramMaxIterations`, the
   * role's password may have more than 100,000 iterations (PostgreSQL's `scram_iterations`).
   */
  conString?: string
  /** The configuration of the store's own pool. */
  conObject?: PoolConfig & { scramMaxIterations?: number }
  /** Default: the first schema of the search path that has the table. */
  schemaName?: string
  /** @default 'session' */
  tableName?: string
  /** @default true */
  createTableIfMissing?: boolean
  /** Idle lifetime in seconds, for sessions whose cookie has no expiry. @default 900 */
  ttl?: number
  /** Absolute lifetime in seconds. Default: none. */
  absoluteTtl?: number
  /**
   * A session's expiry moves at most once in this many seconds, but at least twice per lifetime.
   *
   * @default 60
   */
  touchInterval?: number
  /**
   * Keys of at least 32 bytes. `sid` then holds HMAC-SHA256(first key, id); the other keys still
   * find rows. `false`: `sid` holds the id itself.
   *
   * @default false
   */
  hashIds?: false | string | Buffer | readonly (string | Buffer)[]
  /**
   * Whether statements are parsed and planned once per connection. For direct connections, and for
   * poolers that support it (PgBouncer ≥ 1.21 with `max_prepared_statements`). RDS Proxy pins such
   * connections. If the pooler turns out not to support it, the store stops preparing.
   *
   * @default false
   */
  preparedStatements?: boolean
  /** How often expired rows are removed, in seconds; `false`: never. @default 60 */
  pruneSessionInterval?: number | false
  /** Called with background errors, which no caller sees. Default: the event `warning`. */
  errorLog?: (message: string, error?: unknown) => void
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
  keys: readonly (string | Buffer)[]
}

/** @throws {TypeError} naming the invalid option. */
export function settings (options: PgSessionStoreOptions): Settings {
  const { ttl = 900, absoluteTtl, touchInterval = 60, pruneSessionInterval: interval = 60 } = options
  return {
    tableName: options.tableName ?? 'session',
    schemaName: options.schemaName,
    createTableIfMissing: options.createTableIfMissing ?? true,
    preparedStatements: options.preparedStatements ?? false,
    ttlMs: milliseconds('ttl', ttl),
    absoluteTtlMs: absoluteTtl === undefined ? undefined : milliseconds('absoluteTtl', absoluteTtl),
    touchIntervalMs: milliseconds('touchInterval', touchInterval),
    pruneIntervalMs: interval === false ? undefined : milliseconds('pruneSessionInterval', interval),
    keys: keys(options.hashIds)
  }
}

/** An option in seconds, in milliseconds. */
function milliseconds (name: string, seconds: number): number {
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new TypeError(`PgSessionStore: ${name} must be a number of seconds above 0`)
  }
  return seconds * 1000
}

function keys (hashIds: PgSessionStoreOptions['hashIds'] = false): readonly (string | Buffer)[] {
  if (hashIds === false) return []
  const list = Array.isArray(hashIds) ? hashIds as (string | Buffer)[] : [hashIds as string | Buffer]
  const isKey = (key: unknown) =>
    (typeof key === 'string' || Buffer.isBuffer(key)) && Buffer.byteLength(key) >= MIN_KEY_BYTES
  if (list.length === 0 || !list.every(isKey)) {
    const expected = `false or keys of at least ${MIN_KEY_BYTES} bytes`
    throw new TypeError(`PgSessionStore: hashIds must be ${expected}`)
  }
  return list
}
