/**
 * `cashsouk-auth/session-store`: the session store by itself, for @fastify/session and
 * express-session.
 *
 * @module
 */
export { retireConnections } from './answers.js'
export { copyWith } from './attached.js'
export { connectionOptions, type ConnectionOptions } from './connection-string.js'
export { ERR_DATABASE, ERR_SESSION_VALUE, SessionTableError } from './errors.js'
export type { PgSessionStoreOptions } from './options.js'
export { poolBounds } from './pool.js'
export { rememberingSigner, type Signer } from './signer.js'
export { databaseReason } from './sql-errors.js'
export {
  PgSessionStore, type Busy, type Callback, type Lease, type SharedValue, type StatementOutcome,
  type UserSession, type Viewed, type Viewer
} from './store.js'
export type { EndedSession, ReplacedWithin, SessionLimit } from './store.js'
export type { AnySession, CookieData, LoadedSession, SessionData } from './types.js'
export type { UserKey } from './user-key.js'
