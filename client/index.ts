/** The client of a portal's own pages: `cashsouk-auth/client`. Documented in docs/client.md. @module */
export { createClient } from './client.js'
export { keepForm } from './keep-form.js'
export type {
  AuthClient, AuthError, AuthEvent, AuthState, ClientOptions, EndReason, LoginParameters, Session, User
} from './types.js'
