/**
 * What `get` knew of a row, carried by the session object from `get` to `set`.
 *
 * @module
 */

/** The key under which a session object carries it. Not a symbol: session libraries copy string keys only. */
const KEY = '~row'

/** What a session object was loaded from. Never serialised: `toJSON` gives nothing. */
export class LoadedRow {
  /** `sid` as it stands in the table: plain, or hashed with one of the keys. */
  readonly sid: string
  /** When the row expires, in milliseconds since 1970 on the database's clock. */
  readonly expireMs: number
  /** The database's clock when that was known, in milliseconds since 1970. */
  readonly nowMs: number
  /** The monotonic clock of this process at that moment, in milliseconds. */
  readonly atMs: number
  /** What the session is compared with to see a change, as `contentOf` gives it. */
  readonly content: string
  /** `sess` as it stands in the row. */
  readonly sess: string
  /** Whether the row holds what another request wrote meanwhile, which this session object has never seen. */
  readonly merged: boolean

  constructor (row: { sid: string, expireMs: number, nowMs: number, content: string, sess: string, merged?: boolean }) {
    this.sid = row.sid
    this.expireMs = row.expireMs
    this.nowMs = row.nowMs
    this.content = row.content
    this.sess = row.sess
    this.merged = row.merged ?? false
    this.atMs = performance.now()
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

export function loadedRow (session: object): LoadedRow | undefined {
  const known = written.get(session)
  if (known !== undefined) return known
  const carried = (session as Record<string, unknown>)[KEY]
  return carried instanceof LoadedRow ? carried : undefined
}

/** Whether a session object has something of its own where it carries its row: `carry` would replace it. */
export function isForeignRow (session: object): boolean {
  const carried = (session as Record<string, unknown>)[KEY]
  return carried !== undefined && !(carried instanceof LoadedRow)
}

/** Puts `row` where a session library copies it to the session object that it makes. */
export function carry (session: object, row: LoadedRow): void {
  (session as Record<string, unknown>)[KEY] = row
}

/** Remembers that this very object now stands in the table as `row` says. */
export function remember (session: object, row: LoadedRow): void {
  written.set(session, row)
}
