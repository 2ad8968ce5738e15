/**
 * `cashsouk-auth/session-store`: the session store by itself, for @fastify/session and
 * express-session.
 *
 * @module
 */
export { retireConnections } from './answers.js'
export { copyWith } from './attached.js'
export type {
  StoreCall, StoreCallName, StoreMerge, StorePrune, StoreStatement, StoreUnwritten
} from './channels.js'
export { connectionOptions, type ConnectionOptions } from './connection-string.js'
export { createPool, poolBounds } from './pool.js'
export { ERR_DATABASE, ERR_SESSION_VALUE, EventTableError, SessionTableError } from './errors.js'
export type { EventOptions, PgSessionStoreOptions } from './options.js'
export { rememberingSigner, type Signer } from './signer.js'
export { databaseReason } from './sql-errors.js'
export type { ConnectionSource, Server } from './targets.js'
export {
  PgSessionStore, type AmendedTimes, type Amendment, type Busy, type Callback, type Lease, type SharedValue,
  type StatementOutcome, type UserSession, type Viewed, type Viewer
} from './store.js'
export type {
  EndedSession, EndOptions, ReplacedWithin, ReplaceEvents, Sample, SessionLimit, Workload
} from './store.js'
export type { AuthEvent, LooseEvent, RecordedEvent } from './store.js'
export type { AnySession, CookieData, LoadedSession, SessionData } from './types.js'
export type { UserKey } from './user-key.js'
