import { createHmac } from 'node:crypto'
import { remember } from './remember.js'

/** What a hashed id begins with in `sid`. No id of a cookie may begin so: a hash read from a dump is not an id. */
const PREFIX = 'h1.'

/** How many ids' hashes are kept in memory, some 300 bytes each; twice as many at most. Each request asks for one several times. */
const REMEMBERED = 10_000

/**
 * How a session id is written to the column `sid`.
 *
 * With keys, only HMAC-SHA256(key, id) is stored, so that neither the table nor a backup of it can be
 * used to sign in. The first key writes; rows under the other keys, and rows with plain ids from
 * before, are still found, and take the first key's form at their next write.
 */
export class SessionIds {
  /** Every form in which an id may stand in the table, first the one in which it is written; none when it cannot be an id. Shared: not to be changed. */
  readonly candidates: (id: string) => readonly string[]

  /** @param keys none: ids are stored as they are. */
  constructor (keys: readonly (string | Buffer)[] = []) {
    const hashed = remember((id) => [...keys.map((key) => hash(key, id)), id], REMEMBERED)
    this.candidates = (id) => !isId(id) ? [] : keys.length === 0 ? [id] : hashed(id)
  }
}

const hash = (key: string | Buffer, id: string): string => PREFIX + createHmac('sha256', key).update(id).digest('base64url')

/** PostgreSQL refuses a NUL in a text parameter (SQLSTATE 22021): such an id is nobody's. */
const isId = (id: unknown): id is string =>
  typeof id === 'string' && id !== '' && id.length <= 1024 && !id.includes('\0') && !id.startsWith(PREFIX)
