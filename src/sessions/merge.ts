import type { SessionData } from './serialise.js'

/**
 * What stands in the row when two requests have changed one session: the top-level keys that either changed,
 * and on a key that both changed, `ours`, which is written later. A key that one deleted stays deleted.
 *
 * @param seen what we changed `ours` from.
 * @param current what the other request wrote meanwhile.
 */
export function merge (seen: SessionData, ours: SessionData, current: SessionData): { session: SessionData, overwritten: string[] } {
  const session: SessionData = { ...current, ...(ours.cookie === undefined ? {} : { cookie: ours.cookie }) }
  const overwritten: string[] = []
  for (const key of new Set([...Object.keys(seen), ...Object.keys(ours)])) {
    const value = JSON.stringify(ours[key])
    if (key === 'cookie' || key === '__proto__' || value === JSON.stringify(seen[key])) continue
    if (JSON.stringify(current[key]) !== JSON.stringify(seen[key])) overwritten.push(key)
    // What JSON leaves out (undefined, a function, what a session carries) is not there.
    if (value === undefined) Reflect.deleteProperty(session, key)
    else session[key] = ours[key]
  }
  return { session, overwritten }
}
