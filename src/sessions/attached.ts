/**
 * Session objects and the rows that they were read from or written to.
 *
 * @module
 */
import type { LoadedRow } from './loaded.js'

/** Returns its argument, so that a subclass adds its private fields to that object. */
class Identity {
  constructor (object: object) {
    return object
  }
}

/**
 * A private field on session objects: in no list of keys, in no copy, and in no output of
 * `console.log`, as the row holds the session's stored id.
 */
class Attachment extends Identity {
  #row: LoadedRow

  private constructor (object: object, row: LoadedRow) {
    super(object)
    this.#row = row
  }

  static set (object: object, row: LoadedRow): void {
    if (#row in object) object.#row = row
    else new Attachment(object, row)
  }

  static get (object: object): LoadedRow | undefined {
    return #row in object ? object.#row : undefined
  }
}

const cookieOf = (session: object): object | undefined => {
  const { cookie } = session as { cookie?: unknown }
  return typeof cookie === 'object' && cookie !== null ? cookie : undefined
}

/** Attaches the row to a session object, and to its cookie, which a shallow copy shares. */
export function attachRow (session: object, row: LoadedRow): void {
  Attachment.set(session, row)
  const cookie = cookieOf(session)
  if (cookie !== undefined) Attachment.set(cookie, row)
}

/** The row that this session object was read from or written to. */
export function attachedRow (session: object): LoadedRow | undefined {
  const row = Attachment.get(session)
  if (row !== undefined) return row
  const cookie = cookieOf(session)
  return cookie === undefined ? undefined : Attachment.get(cookie)
}

/**
 * A shallow copy of a session that `get` read, with changes. The store takes it for that session,
 * also with a cookie of its own.
 */
export function copyWith<Session extends object> (session: Session, changes: Partial<Session>): Session {
  const copy = { ...session, ...changes }
  const row = attachedRow(session)
  if (row !== undefined) attachRow(copy, row)
  return copy
}

/** The row of the session that a library is being given. */
let delivered: LoadedRow | undefined

/**
 * A session as @fastify/session gets it.
 *
 * That library makes a session object of its own and copies every enumerable key to it, also
 * inherited ones. It serialises the new object before it returns, and so calls this `toJSON` on it,
 * which attaches the row and removes itself.
 */
class Delivered {
  toJSON (): this {
    if (Object.hasOwn(this, 'toJSON')) {
      Reflect.deleteProperty(this, 'toJSON')
      if (delivered !== undefined) attachRow(this, delivered)
    }
    return this
  }
}
Object.defineProperty(Delivered.prototype, 'toJSON', { enumerable: true })

/** Calls back with the session, so that its row is attached to what a session library makes of it. */
export function deliver (session: object, callback: (session: object) => void): void {
  const row = Attachment.get(session)
  const given = Object.assign(new Delivered(), session)
  if (row !== undefined) Attachment.set(given, row)
  delivered = row
  try {
    callback(given)
  } finally {
    delivered = undefined
  }
}
