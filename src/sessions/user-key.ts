import type { SessionData } from './types.js'

/**
 * Where a session says whose it is: the keys that lead to a string or number in the session, or a
 * function that gives one. A function must not throw; `undefined` and `null` mean that the session
 * has no user.
 */
export type UserKey =
  | readonly string[]
  | ((session: SessionData) => string | number | null | undefined)
