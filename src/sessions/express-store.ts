import { EventEmitter } from 'node:events'
import type { AnySession, LoadedSession, SessionData } from './serialise.js'

export type Callback<Value = void> = (error?: unknown, value?: Value) => void

/** What express-session keeps on a request. */
export interface ExpressRequest {
  sessionID?: string
  session?: object
  sessionStore?: object
  headers?: object
}

/** express-session's `Session`, whose types only those have who use it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type ExpressSession = any

/**
 * What express-session expects of a store besides reading and writing, as its own class `Store` has it.
 *
 * That class is not extended, so that express-session is needed by those only who use it: its `Session` and
 * `Cookie` are reached through `generate`, which it puts on every store.
 *
 * @see {@link https://github.com/expressjs/session#session-store-implementation}
 */
export abstract class ExpressStore extends EventEmitter {
  /** Set by express-session: gives the request a new id and an empty session. */
  declare generate: (request: ExpressRequest) => void

  abstract get (id: string, callback: Callback<LoadedSession | null>): void
  abstract destroy (id: string, callback?: Callback): void

  /** Ends the request's session and gives it a new one. */
  regenerate (request: ExpressRequest, callback: Callback): void {
    this.destroy(request.sessionID ?? '', (error) => {
      this.generate(request)
      callback(error)
    })
  }

  /** The session of this id as express-session's `Session`, outside of a request. */
  load (id: string, callback: Callback<ExpressSession>): void {
    this.get(id, (error, session) => {
      if (error !== null && error !== undefined) { callback(error); return }
      if (session === null || session === undefined) { callback(); return }
      callback(null, this.createSession({ sessionID: id, sessionStore: this, headers: {} }, session))
    })
  }

  /** Gives the request what `get` read as express-session's `Session`. */
  createSession (request: ExpressRequest, session: SessionData | AnySession): ExpressSession {
    // `generate` writes to its argument: not to the request.
    const probe = Object.create(request) as { session: { cookie: object, constructor: new (request: object, data: object) => object } }
    this.generate(probe)
    const { cookie: stored } = session as SessionData
    // `originalMaxAge` last: express-session's setter of `expires` changes it.
    const cookie = Object.assign(probe.session.cookie, stored, { originalMaxAge: stored?.originalMaxAge })
    const made = new probe.session.constructor(request, { ...session, cookie })
    request.session = made
    return made as ExpressSession
  }
}
