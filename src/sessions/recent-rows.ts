import type { LoadedRow } from './loaded.js'
import { isAbsent } from './serialise.js'
import type { StoredIds } from './statements/statement.js'
import type { SessionData } from './types.js'

/** Sessions per generation, some 700 bytes each besides their JSON. There are two generations. */
const MAX_SESSIONS = 5000

/** Characters of JSON per generation. */
const MAX_CHARS = 8 * 1024 * 1024

/** Versions of one row that are kept. */
const MAX_VERSIONS = 8

/**
 * The rows that this process loaded last, by stored id.
 *
 * A deep copy of a loaded session has nothing attached to it. It must not count as a new session
 * all the same: it would bring back one that has ended, and overwrite other requests' changes.
 */
export class RecentRows {
  #younger = new Map<string, LoadedRow[]>()
  #older = new Map<string, LoadedRow[]>()
  /** Characters of JSON in the younger generation. */
  #chars = 0

  add (row: LoadedRow): void {
    const known = this.#versions(row.sid)
    const last = known.at(-1)
    // A row that did not change is kept once, so that most requests leave nothing behind.
    if (last?.version === row.version && last.sess === row.sess) {
      last.loadedAgain(row)
      return
    }
    known.push(row)
    this.#chars += row.sess.length
    if (known.length > MAX_VERSIONS) this.#chars -= known.shift()?.sess.length ?? 0
  }

  /**
   * The row that this session object was copied from, to which none is attached; undefined for a
   * new session.
   *
   * A copy has the expiry that its original's cookie got, or none and the cookie of a session
   * library: these never use an id again. Among several rows, it is taken for a copy of the one
   * that its content is closest to.
   */
  originalOf (session: SessionData, storedIds: StoredIds): LoadedRow | undefined {
    const versions = storedIds.flatMap((sid) => this.#younger.get(sid) ?? this.#older.get(sid) ?? [])
    const expiries = expiriesOf(session)
    const originals = versions.filter((row) => expiries.some((expiresMs) => row.mayHaveGiven(expiresMs)))
    if (originals.length > 0) return closest(session, originals)
    return expiries.length === 0 && hasLibraryCookie(session) ? closest(session, versions) : undefined
  }

  /** The versions of a row, in the younger generation. */
  #versions (sid: string): LoadedRow[] {
    const known = this.#younger.get(sid)
    if (known !== undefined && this.#chars < MAX_CHARS) return known
    const versions = known ?? this.#older.get(sid) ?? []
    if (this.#younger.size >= MAX_SESSIONS || this.#chars >= MAX_CHARS) {
      this.#older = this.#younger
      this.#younger = new Map()
      this.#chars = 0
    }
    this.#younger.set(sid, versions)
    this.#chars += versions.reduce((sum, { sess }) => sum + sess.length, 0)
    return versions
  }
}

/** Cookies of session libraries have a path. */
const hasLibraryCookie = ({ cookie }: SessionData): boolean => 'path' in (cookie ?? {})

/** The cookie's expiry, and that of its original, which @fastify/session keeps beside it. */
function expiriesOf ({ cookie }: SessionData): number[] {
  const { expires, originalExpires } = (cookie ?? {}) as Record<string, unknown>
  return [expires, originalExpires]
    .filter((value) => !isAbsent(value))
    .map((value) => new Date(value as Date | string).getTime())
}

function closest (session: SessionData, rows: readonly LoadedRow[]): LoadedRow | undefined {
  const [only] = rows
  if (rows.length < 2) return only
  const differences = rows.map((row) => differingKeys(session, row))
  return rows[differences.indexOf(Math.min(...differences))]
}

function differingKeys (session: SessionData, row: LoadedRow): number {
  const seen = JSON.parse(row.content) as Record<string, unknown>
  return [...new Set([...Object.keys(seen), ...Object.keys(session)])]
    .filter((key) => key !== 'cookie' && JSON.stringify(seen[key]) !== JSON.stringify(session[key]))
    .length
}
