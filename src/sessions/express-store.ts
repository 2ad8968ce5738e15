import { EventEmitter } from 'node:events'
import { attachedRow, attachRow } from './attached.js'
import type { Callback } from './callback.js'
import type { AnySession, LoadedSession, SessionData } from './types.js'

/** The properties that express-session sets on a request. */
export interface ExpressRequest {
  sessionID?: string
  session?: object
  sessionStore?: object
  headers?: object
}

/** express-session's `Session`. Untyped, because its types are not a dependency. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type ExpressSession = any

/** A session that express-session's `generate` made, and its class. */
interface GeneratedSession {
  cookie: object
  constructor: new (request: object, data: object) => object
}

/**
 * The methods of express-session's class `Store` besides reading and writing.
 *
 * That class is not extended, because express-session is not a dependency. Its `Session` and
 * `Cookie` are reached through `generate`, which express-session sets on every store.
 *
 * @see {@link https://github.com/expressjs/session#session-store-implementation}
 */
export abstract class ExpressStore extends EventEmitter {
  /** Gives the request a new id and an empty session. Set by express-session. */
  declare generate: (request: ExpressRequest) => void

  abstract get<Session extends object = LoadedSession> (
    id: string, callback: Callback<Session | null>
  ): void
  abstract destroy (id: string, callback?: Callback): void

  /** Ends the request's session and gives it a new one. */
  regenerate (request: ExpressRequest, callback: Callback): void {
    this.destroy(request.sessionID ?? '', (error) => {
      this.generate(request)
      callback(error)
    })
  }

  /** Gets a session as express-session's `Session`, outside of a request. */
  load (id: string, callback: Callback<ExpressSession>): void {
    this.get(id, (error, session) => {
      if (error !== null && error !== undefined) {
        callback(error)
        return
      }
      if (session === null || session === undefined) {
        callback()
        return
      }
      const request = { sessionID: id, sessionStore: this, headers: {} }
      callback(null, this.createSession(request, session))
    })
  }

  /** Gives the request a session that `get` read, as express-session's `Session`. */
  createSession (request: ExpressRequest, session: SessionData | AnySession): ExpressSession {
    // `generate` writes to its argument, which must not be the request.
    const probe = Object.create(request) as { session: GeneratedSession }
    this.generate(probe)
    const { cookie: stored } = session as SessionData
    // `originalMaxAge` comes last, because express-session's setter of `expires` changes it.
    const originalMaxAge = stored?.originalMaxAge
    const cookie = Object.assign(probe.session.cookie, stored, { originalMaxAge })
    const made = new probe.session.constructor(request, { ...session, cookie })
    const row = attachedRow(session)
    if (row !== undefined) attachRow(made, row)
    request.session = made
    return made as ExpressSession
  }
}
