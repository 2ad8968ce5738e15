import { contentIn, hasContent } from './serialise.js'

export interface RowState {
  /** Identifies the table. */
  table: string
  /** The stored id. */
  sid: string
  /** The row's version: PostgreSQL's `xmin`, which changes with every write. */
  version: string
  /** When the row expires, in milliseconds since 1970 on the database's clock. */
  expireMs: number
  /** The time on the database's clock when this was known, in milliseconds since 1970. */
  nowMs: number
  /** When the session was created, on the same clock; null where no absolute lifetime counts. */
  createdMs: number | null
  /** Whether `sess` holds `createdMs`. */
  isCreatedStored: boolean
  /** `sess` of the row. */
  sess: string
  /** `originalMaxAge` of the session object's cookie at that time, in milliseconds. */
  lifetimeMs: number | null
  /** The expiry that the session object's cookie got, in milliseconds since 1970. */
  cookieExpiresMs: number | null
  /**
   * The content that the session object is based on, if the row has since been merged with another
   * request's change; default `sess`.
   */
  seen?: string
}

/** What the store knew of a row when a session object was read from it or written to it. */
export class LoadedRow {
  readonly table: string
  readonly sid: string
  readonly version: string
  readonly expireMs: number
  readonly nowMs: number
  readonly createdMs: number | null
  readonly isCreatedStored: boolean
  /** `nowMs` on the monotonic clock of this process. */
  readonly atMs = performance.now()
  readonly sess: string
  readonly lifetimeMs: number | null
  readonly cookieExpiresMs: number | null
  readonly seen: string
  /** Whether a later write of this session object found no row, or one that another request had locked. */
  isMissed = false
  /** The first and the last expiry that cookies got from this version of the row, if there are several. */
  #expiries: { minMs: number, maxMs: number } | undefined

  constructor (state: RowState) {
    this.table = state.table
    this.sid = state.sid
    this.version = state.version
    this.expireMs = state.expireMs
    this.nowMs = state.nowMs
    this.createdMs = state.createdMs
    this.isCreatedStored = state.isCreatedStored
    this.sess = state.sess
    this.lifetimeMs = state.lifetimeMs
    this.cookieExpiresMs = state.cookieExpiresMs
    this.seen = state.seen ?? state.sess
  }

  /** `contentOf` the session object at that time. */
  get content (): string {
    return contentIn(this.seen)
  }

  /** Whether `contentOf` the session object was this at that time. */
  hasContent (content: string): boolean {
    return hasContent(this.seen, content)
  }

  /** Notes that the same version of the row was loaded once more. */
  loadedAgain ({ cookieExpiresMs }: LoadedRow): void {
    if (cookieExpiresMs === null || this.mayHaveGiven(cookieExpiresMs)) return
    const firstMs = this.cookieExpiresMs ?? cookieExpiresMs
    const expiries = this.#expiries ??= { minMs: firstMs, maxMs: firstMs }
    if (cookieExpiresMs < expiries.minMs) expiries.minMs = cookieExpiresMs
    if (cookieExpiresMs > expiries.maxMs) expiries.maxMs = cookieExpiresMs
  }

  /** Whether a cookie with this expiry may come from this version of the row. */
  mayHaveGiven (expiresMs: number): boolean {
    if (this.#expiries === undefined) return this.cookieExpiresMs === expiresMs
    return this.#expiries.minMs <= expiresMs && expiresMs <= this.#expiries.maxMs
  }

  /** The current time on the database's clock, in milliseconds since 1970, without a query. */
  databaseNow (): number {
    return this.nowMs + performance.now() - this.atMs
  }

  /** The row after a write by which `written` of it changed. */
  after ({
    sid = this.sid, version = this.version, expireMs = this.expireMs, sess = this.sess,
    seen = sess, lifetimeMs = this.lifetimeMs, isCreatedStored = this.isCreatedStored
  }: Partial<RowState>): LoadedRow {
    const { table, createdMs, cookieExpiresMs } = this
    return new LoadedRow({
      table, sid, version, expireMs, createdMs, isCreatedStored, sess, seen, lifetimeMs, cookieExpiresMs,
      nowMs: this.databaseNow()
    })
  }
}
