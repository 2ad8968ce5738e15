/**
 * What stored ids begin with. A session id must not begin with any of these.
 *
 * @module
 */

/** Hashes of session ids: one from a dump is not a session id. */
export const HASH_PREFIX = 'h1.'

/** The rows that say why a session ended. */
export const END_PREFIX = 'ended.'

/** The rows of values that all processes share. */
export const SHARED_PREFIX = 'shared.'

/**
 * The stored id of the row that says why a session ended, from that of the session. As long as a
 * hashed id at most, if that is hashed.
 */
export const endSid = (storedId: string): string =>
  END_PREFIX + (storedId.startsWith(HASH_PREFIX) ? storedId.slice(HASH_PREFIX.length) : storedId)

/** The same in SQL. */
export const endSidOf = (sid: string): string =>
  `'${END_PREFIX}' || regexp_replace(${sid}, '^h1[.]', '')`

/** Whether a row is one of a session, a login transaction or a lease. */
export const isCounted = (sid = 'sid'): string =>
  `${sid} NOT LIKE '${END_PREFIX}%' AND ${sid} NOT LIKE '${SHARED_PREFIX}%'`
