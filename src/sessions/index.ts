/**
 * `cashsouk-auth/session-store`: the session store by itself, for @fastify/session and express-session.
 *
 * @module
 */
export { ERR_DATABASE, ERR_SESSION_VALUE } from './errors.js'
export type { CookieData } from './serialise.js'
export { rememberingSigner, type Signer } from './signer.js'
export {
  PgSessionStore, type Busy, type Callback, type Lease, type PgSessionStoreOptions, type SessionData, type UserSession
} from './store.js'
