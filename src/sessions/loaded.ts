/**
 * What the store knows of a session's row. The session object carries it from `get` to `set`.
 *
 * @module
 */
import { contentIn, ROW_KEY } from './serialise.js'

export interface RowState {
  /** The stored id. */
  sid: string
  /** The row's version: PostgreSQL's `xmin`, which changes with every write. */
  version: string
  /** When the row expires, in milliseconds since 1970 on the database's clock. */
  expireMs: number
  /** The time on the database's clock when this was known, in milliseconds since 1970. */
  nowMs: number
  /** `sess` of the row. */
  sess: string
  /** `originalMaxAge` of the session object's cookie at that time, in milliseconds. */
  lifetimeMs: number | null
  /**
   * The content that the session object is based on, if the row has since been merged with another
   * request's change; default `sess`.
   */
  seen?: string
}

/** The state of a row when a session object was read from it or written to it. Not serialised. */
export class LoadedRow {
  readonly sid: string
  readonly version: string
  readonly expireMs: number
  readonly nowMs: number
  /** `nowMs` on the monotonic clock of this process. */
  readonly atMs = performance.now()
  readonly sess: string
  readonly lifetimeMs: number | null
  readonly seen: string
  #content: string | undefined

  constructor ({ sid, version, expireMs, nowMs, sess, lifetimeMs, seen = sess }: RowState) {
    this.sid = sid
    this.version = version
    this.expireMs = expireMs
    this.nowMs = nowMs
    this.sess = sess
    this.lifetimeMs = lifetimeMs
    this.seen = seen
  }

  /** `contentOf` the session object at that time. */
  get content (): string {
    return this.#content ??= contentIn(this.seen)
  }

  /** The current time on the database's clock, in milliseconds since 1970, without a query. */
  databaseNow (): number {
    return this.nowMs + performance.now() - this.atMs
  }

  toJSON (): undefined {
    return undefined
  }
}

/** For session objects that were written before they were ever loaded. */
const written = new WeakMap<object, LoadedRow>()

function carried (session: object): LoadedRow | undefined {
  const row = (session as Record<string, unknown>)[ROW_KEY]
  return row instanceof LoadedRow ? row : undefined
}

/** The row that this session object was loaded from or written to. */
export const loadedRow = (session: object): LoadedRow | undefined =>
  carried(session) ?? written.get(session)

/**
 * As {@link loadedRow}, if it is a row of this id. A copied session object may carry another one.
 */
export function loadedFrom (session: object, storedIds: readonly string[]): LoadedRow | undefined {
  const row = carried(session)
  if (row !== undefined && storedIds.includes(row.sid)) return row
  const own = written.get(session)
  return own !== undefined && storedIds.includes(own.sid) ? own : undefined
}

/** Puts `row` where session libraries copy it to the session object that they make. */
export function carry (session: object, row: LoadedRow): void {
  (session as Record<string, unknown>)[ROW_KEY] = row
}

/** Attaches the row to a session object that was written to it. */
export function attachRow (session: object, row: LoadedRow): void {
  if (carried(session) === undefined) written.set(session, row)
  else carry(session, row)
}
