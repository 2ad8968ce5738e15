import { createHmac } from 'node:crypto'
import { ERR_SESSION_VALUE } from './errors.js'
import { memoize } from './memoize.js'
import type { StoredIds } from './statements/statement.js'
import { END_PREFIX, HASH_PREFIX, SHARED_PREFIX } from './statements/stored-id.js'

/** The longest session id, in characters. */
const MAX_LENGTH = 1024

/**
 * Ids per generation whose hashes are kept in memory, some 300 bytes each. There are two
 * generations.
 */
const MAX_MEMOIZED = 10_000

/**
 * Maps session ids to stored ids.
 *
 * With keys, only HMAC-SHA256(key, id) is stored, so that neither the table nor a backup of it can
 * be used to sign in. The first key writes. Rows under the other keys, and rows under plain ids
 * from before, are still found, and get the first key's hash at their next write.
 */
export class SessionIds {
  #toStoredIds: (id: string) => StoredIds = (id) => [id]

  /** @param keys empty: ids are stored as they are. */
  constructor (keys: readonly (string | Buffer)[] = []) {
    this.use(keys)
  }

  /** The stored ids of a session id; empty if it is invalid. */
  readonly storedIds = (id: string): StoredIds => isSessionId(id) ? this.#toStoredIds(id) : []

  /** The same for a session that is to be written. @throws {ERR_SESSION_VALUE} */
  validStoredIds (id: string): StoredIds {
    const storedIds = this.storedIds(id)
    if (storedIds.length === 0) throw new ERR_SESSION_VALUE('invalid session id')
    return storedIds
  }

  /** Replaces the keys. */
  use (keys: readonly (string | Buffer)[]): void {
    this.#toStoredIds = keys.length === 0
      ? (id: string) => [id]
      : memoize((id) => [...keys.map((key) => hash(key, id)), id], MAX_MEMOIZED)
  }
}

const hash = (key: string | Buffer, id: string): string =>
  HASH_PREFIX + createHmac('sha256', key).update(id).digest('base64url')

const RESERVED = [HASH_PREFIX, END_PREFIX, SHARED_PREFIX]

/** PostgreSQL refuses NUL in a text parameter (SQLSTATE 22021). */
const isSessionId = (id: unknown): id is string => typeof id === 'string' &&
  id !== '' && id.length <= MAX_LENGTH && !id.includes('\0') &&
  !RESERVED.some((prefix) => id.startsWith(prefix))
