import type { Pool, PoolClient } from 'pg'
import type { PGStoreOptions } from 'connect-pg-simple'
import { quoteTable } from '../../../../src/sessions/statements/layout.js'
import {
  PgSessionStore, type Callback, type SessionData
} from '../../../../src/sessions/index.js'

/** The part of pg-promise that connect-pg-simple uses. */
export interface PgPromise { any (sql: string, values?: unknown[]): Promise<unknown[]> }

export type Options = PGStoreOptions & { pgPromise?: PgPromise | undefined }

/** PgSessionStore with connect-pg-simple's defaults and method names. */
export class Store extends PgSessionStore {
  readonly #quotedTable: string
  readonly #disableTouch: boolean

  constructor ({
    tableName = 'session', schemaName, pgPromise, disableTouch = false,
    ...options
  }: Options = {}) {
    Reflect.deleteProperty(options, 'pruneSessionRandomizedInterval')
    const legacy = schemaName === undefined && /^([^"]+)"\."([^"]+)$/.exec(tableName)
    const [, schema = schemaName, table = tableName] = legacy || []
    super({
      createTableIfMissing: false, ttl: 86_400, pruneSessionInterval: 900, touchInterval: 0.001,
      ...options, ...(pgPromise === undefined ? {} : { pool: poolOf(pgPromise) }),
      tableName: table, ...(schema === undefined ? {} : { schemaName: schema })
    })
    this.#quotedTable = quoteTable(table, schema)
    this.#disableTouch = disableTouch
  }

  quotedTable (): string { return this.#quotedTable }

  pruneSessions (callback: Callback = () => {}): void {
    this.prune().then(() => { callback(null) }, callback)
  }

  override touch (id: string, session: SessionData, callback?: Callback): void {
    if (this.#disableTouch) callback?.(null)
    else super.touch(id, session, callback)
  }
}

/** The factory, called with express-session as connect-pg-simple's is, but without using it. */
export const connectPgSimple: (session?: unknown) => typeof Store = () => Store

/** A pool on top of pg-promise, like the one inside it (`db.$pool`). */
function poolOf (pgPromise: PgPromise): Pool {
  if (typeof pgPromise.any !== 'function') throw new TypeError('pgPromise has no method any')
  const client = {
    async query (statement: string | { text: string, values?: unknown[] }, values?: unknown[]) {
      const { text, values: inside } = typeof statement === 'string'
        ? { text: statement, values }
        : statement
      return { rows: await pgPromise.any(text, inside) }
    },
    release () {},
    on () { return client },
    removeListener () {},
    removeAllListeners () { return client }
  }
  return { connect: async () => client as unknown as PoolClient } as Pool
}
