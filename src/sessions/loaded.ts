/**
 * What `get` knew of a row, carried by the session object from `get` to `set`.
 *
 * @module
 */
import { contentIn, ROW_KEY } from './serialise.js'

export interface RowState {
  /** `sid` as it stands in the table: plain, or hashed with one of the keys. */
  sid: string
  /** The row's version: PostgreSQL's `xmin`, another after every write. */
  version: string
  /** When the row expires, in milliseconds since 1970 on the database's clock. */
  expireMs: number
  /** The database's clock when that was known, in milliseconds since 1970. */
  nowMs: number
  /** `sess` as it stands in the row. */
  sess: string
  /** `originalMaxAge` of the cookie that the session object had then. */
  lifetime: number | null
  /** What the session object held then, where that is not `sess`: the row has another request's change, too, which this object has never seen. */
  seen?: string
}

/** What a session object was loaded from. Never serialised: `toJSON` gives nothing. */
export class LoadedRow {
  readonly sid: string
  readonly version: string
  readonly expireMs: number
  readonly nowMs: number
  /** The monotonic clock of this process at that moment, in milliseconds. */
  readonly atMs = performance.now()
  readonly sess: string
  readonly lifetime: number | null
  readonly seen: string
  #content: string | undefined

  constructor ({ sid, version, expireMs, nowMs, sess, lifetime, seen = sess }: RowState) {
    this.sid = sid
    this.version = version
    this.expireMs = expireMs
    this.nowMs = nowMs
    this.sess = sess
    this.lifetime = lifetime
    this.seen = seen
  }

  /** What the session is compared with to see a change, as `contentOf` gives it. */
  get content (): string {
    return this.#content ??= contentIn(this.seen)
  }

  /** The present on the database's clock, in milliseconds since 1970, as far as this process can tell without asking. */
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

/** What is known of the row that this session object was loaded from or written to. */
export const loadedRow = (session: object): LoadedRow | undefined => carried(session) ?? written.get(session)

/** What is known of the row of this id; an object may carry another's, whose content was copied to it. */
export function loadedFrom (session: object, sids: readonly string[]): LoadedRow | undefined {
  const row = carried(session)
  if (row !== undefined && sids.includes(row.sid)) return row
  const own = written.get(session)
  return own !== undefined && sids.includes(own.sid) ? own : undefined
}

/** Puts `row` where a session library copies it to the session object that it makes. */
export function carry (session: object, row: LoadedRow): void {
  (session as Record<string, unknown>)[ROW_KEY] = row
}

/** Remembers that this very object now stands in the table as `row` says. */
export function remember (session: object, row: LoadedRow): void {
  if (carried(session) === undefined) written.set(session, row)
  else carry(session, row)
}
