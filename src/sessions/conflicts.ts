import { attachRow } from './attached.js'
import { mergeChannel, publish, type StoreMerge } from './channels.js'
import { ERR_DATABASE } from './errors.js'
import type { LoadedRow } from './loaded.js'
import { merge } from './merge.js'
import { parse } from './serialise.js'
import type { SessFormat } from './sess-format.js'
import type { StoredIds } from './statements/statement.js'
import type { SessionTable } from './table.js'
import type { SessionData } from './types.js'

/** How often a change is tried at most while others keep changing the session. */
const MAX_ATTEMPTS = 20

/** A change of a session that is to be written. */
export interface Change {
  storedIds: StoredIds
  session: SessionData
  /** What the session was loaded from. */
  loaded: LoadedRow
  /** Whether the session object was taken for a copy of a loaded one. */
  isCopy: boolean
  /** The session as JSON. */
  sess: string
  /** `originalMaxAge` of the cookie, in milliseconds. */
  lifetimeMs: number | null
  /** Null keeps the expiry. */
  durationMs: number | null
  limitMs: number | null
  /** When the change came in, on the process's monotonic clock. */
  beganMs: number
}

/** For an application that uses an id again, which no session library does. */
export const COPY_OF_ENDED =
  'A session was not stored: it is taken for a copy of a session that has ended. Give a new session a new id'

/** `sess` to write, and the keys that both requests changed. */
interface Merged { sess: string, overwritten: string[] }

export interface ConflictParts {
  table: Pick<SessionTable, 'merge'>
  format: SessFormat
  log: (message: string) => void
  logOnce: (message: string) => void
  store: object
}

/** Writes changes to rows that may have changed since the session was loaded. Keeps both changes. */
export class ConflictResolver {
  readonly #parts: ConflictParts

  /** Sessions that were merged, and those of them where both requests changed the same key. */
  readonly counts = { merged: 0, overwritten: 0 }

  constructor (parts: ConflictParts) {
    this.#parts = parts
  }

  /** Writes nothing if the session has ended. @throws {ERR_DATABASE} {ERR_SESSION_VALUE} */
  async write (change: Change): Promise<void> {
    const { storedIds, session, loaded, lifetimeMs, durationMs, limitMs, beganMs } = change
    let base = loaded.sess
    let next: Merged = { sess: change.sess, overwritten: [] }
    if (loaded.seen !== base) next = this.#merge(base, change)
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      // All attempts share the deadline of one call.
      const waitedMs = performance.now() - beganMs
      const { sess, overwritten } = next
      const input = { storedIds, base, sess, durationMs, limitMs }
      const outcome = await this.#parts.table.merge(input, waitedMs)
      if (outcome === undefined) {
        loaded.isMissed = true
        if (change.isCopy) this.#parts.logOnce(COPY_OF_ENDED)
        return
      }
      if ('expireMs' in outcome) {
        const [sid = ''] = storedIds
        const written = { sid, ...outcome, sess, seen: change.sess, lifetimeMs }
        attachRow(session, loaded.after({ ...written, isCreatedStored: true }))
        if (attempt > 1) this.#report(overwritten)
        return
      }
      base = outcome.current
      next = this.#merge(base, change)
    }
    throw new ERR_DATABASE({ cause: new Error('too many concurrent changes to one session') })
  }

  /** The change as JSON, merged with what another request has written. */
  #merge (current: string, { session, loaded }: Change): Merged {
    const { session: seen = {} } = parse(loaded.seen) ?? {}
    const { session: theirs = {}, own = {} } = parse(current) ?? {}
    const merged = merge(seen, session, theirs)
    const createdMs = own.created ?? loaded.createdMs
    const sess = this.#parts.format.of({ session: merged.session, createdMs, loaded: { sess: current } })
    return { sess, overwritten: merged.overwritten }
  }

  #report (overwritten: string[]): void {
    this.counts.merged++
    const { store } = this.#parts
    publish(mergeChannel, (): StoreMerge => ({ store, isOverwritten: overwritten.length > 0 }))
    if (overwritten.length === 0) {
      this.#parts.log('Merged concurrent changes to a session')
    } else {
      this.counts.overwritten++
      const keys = overwritten.join(', ')
      this.#parts.log(`Merged concurrent changes to a session; the later change won for ${keys}`)
    }
  }
}
