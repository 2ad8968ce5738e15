import { ERR_DATABASE, ERR_SESSION_VALUE, SessionTableError } from './errors.js'

export const UNDEFINED_TABLE = '42P01'

/**
 * The table is not as it was when the store looked at it: undefined table, column or function,
 * other types, no unique index, a plan that was cached for other types.
 */
const LAYOUT = /^(42P01|42703|42883|42804|42846|42P10|0A000)$/

/** The value is to blame: class 22 (data) and 54 (limit, such as nesting). */
const VALUE = /^(22|54)/

/** Serialization failure and deadlock: the statement was rolled back in favour of another one. */
const ROLLED_BACK = /^(40001|40P01)$/

/**
 * A prepared statement is missing or exists already: a pooler gave us another connection. Nothing
 * was run.
 */
const PREPARED_STATEMENT = /^(26000|42P05)$/

/**
 * The connection is of no more use: class 08 (connection), 57P (server stopping), 25006 (the former
 * primary is now a read-only standby), 25P02 (a transaction was left open).
 */
const CONNECTION = /^(08|57P|25006|25P02)/

/** Of these, the states with which a server or a pooler ends a connection. */
const LOST = /^(08|57P)/

/** One row's data may be to blame: classes 22 (data), 23 (constraint) and 54 (limit). */
const DATA = /^(22|23|54)/

/** Errors of a connection, which quote its user, its database and its address. */
const CONNECTING = /^(08|28|3D|53|55|57|42501)/

/** A quoted name, in any language of the server's messages; or a name that PgBouncer does not quote. */
const NAME = /["„“”«»].*?["“”«»]|(?<=no such (user|database): ?).*/g

/** SQLSTATEs of the errors that {@link databaseError} made. */
const states = new WeakMap<object, string>()

/** The SQLSTATE of pg's error: five characters. System errors and time-outs have none. */
export function sqlState (error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** The SQLSTATE behind an ERR_DATABASE, if PostgreSQL gave one. */
export const stateOf = (error: unknown): string | undefined => states.get(error as object)

export const isRolledBack = (state: string | undefined): boolean => ROLLED_BACK.test(state ?? '')

export const isLayoutError = (state: string | undefined): boolean => LAYOUT.test(state ?? '')

export const isValueError = (state: string | undefined): boolean => VALUE.test(state ?? '')

export const isPreparedStatementError = (state: string | undefined): boolean =>
  PREPARED_STATEMENT.test(state ?? '')

/**
 * Whether to discard the connection after this error of pg. Errors without an SQLSTATE are the
 * connection's own.
 */
export function isConnectionBroken (error: unknown): boolean {
  const state = sqlState(error)
  return state === undefined || CONNECTION.test(state)
}

/**
 * Whether a query ended without an outcome because its connection ended, or gave no answer in time.
 */
export function isConnectionLost (error: unknown): boolean {
  const state = sqlState(error)
  return state === undefined || LOST.test(state)
}

/** ERR_SESSION_VALUE for what the column `sess` does not take, such as NUL in `jsonb`. */
export function valueError (error: unknown): InstanceType<typeof ERR_SESSION_VALUE> {
  const cause = new Error(databaseReason(error))
  return withState(new ERR_SESSION_VALUE('the column sess does not take it', { cause }), error)
}

/** Whether one row's data may be to blame for an error of this store. */
export const isDataError = (error: unknown): boolean => DATA.test(stateOf(error) ?? '')

/**
 * What pg's error says, for the log: its code and its message. What the connection string holds
 * (host, address, user, database, files) is left out, and so are `detail`, `where` and
 * `internalQuery`, which may quote what is stored.
 */
export function databaseReason (error: unknown): string {
  const { message = String(error), code, syscall } =
    (error ?? {}) as { message?: string, code?: string, syscall?: string }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${code}: the certificate is for another host`
  if (code !== undefined && (syscall !== undefined || message === '')) return `${syscall ?? 'connect'} ${code}`
  if (/client password must be/.test(message)) return 'the database asks for a password, and none is set'
  const [, iterations] = /iteration count (\d+) exceeds scramMaxIterations/.exec(message) ?? []
  if (iterations !== undefined) {
    return `${message}: set the connection string's parameter scramMaxIterations to ${iterations}`
  }
  const text = CONNECTING.test(sqlState(error) ?? '') ? message.replaceAll(NAME, '…') : message
  const reason = code === undefined || message.includes(code) ? text : `${code}: ${text}`
  return reason === '' ? 'connection failed' : reason
}

/** ERR_DATABASE with {@link databaseReason} as its cause. */
export function databaseError (error: unknown): Error {
  if (error instanceof ERR_DATABASE || error instanceof ERR_SESSION_VALUE) return error
  if (error instanceof SessionTableError) return new ERR_DATABASE({ cause: error })
  return withState(new ERR_DATABASE({ cause: new Error(databaseReason(error)) }), error)
}

function withState<Failure extends Error> (failure: Failure, error: unknown): Failure {
  const state = sqlState(error)
  if (state !== undefined) states.set(failure, state)
  return failure
}
