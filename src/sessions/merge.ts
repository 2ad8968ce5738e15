import type { SessionData } from './types.js'

/**
 * Merges two concurrent changes of a session by its top-level keys. A key that both changed gets
 * the value of `ours`, which is written later. A key that either deleted stays deleted.
 *
 * @param seen what `ours` was changed from.
 * @param current what the other request has written.
 * @returns the merged session, and the keys that both changed.
 */
export function merge (
  seen: SessionData, ours: SessionData, current: SessionData
): { session: SessionData, overwritten: string[] } {
  const session: SessionData = { ...current }
  if (ours.cookie !== undefined) session.cookie = ours.cookie
  const overwritten: string[] = []
  for (const key of new Set([...Object.keys(seen), ...Object.keys(ours)])) {
    if (key === 'cookie' || key === '__proto__') continue
    const seenValue = JSON.stringify(seen[key])
    const value = JSON.stringify(ours[key])
    if (value === seenValue) continue
    if (JSON.stringify(current[key]) !== seenValue) overwritten.push(key)
    // JSON leaves out undefined and functions.
    if (value === undefined) Reflect.deleteProperty(session, key)
    else session[key] = ours[key]
  }
  return { session, overwritten }
}
