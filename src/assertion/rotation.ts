/**
 * Which key does what at a time. Keys are in the order in which they sign.
 *
 * @module
 */
import { LEAD_MS, LINGER_MS, SHORT_LEAD_MS, SIGNS_MS } from './times.js'

interface Timed { readonly fromMs: number }

/** The key that signs: the last one whose time has come. */
export function signerAt<Key extends Timed> (keys: readonly Key[], nowMs: number): Key | undefined {
  // Before the first one's time, the database's clock has been set back.
  return keys.findLast(({ fromMs }) => fromMs <= nowMs) ?? keys[0]
}

/**
 * The keys that are published: each from when it was made until an hour after the next one signs. A key whose time is
 * further off than any that is made comes from a clock that was wrong.
 */
export function publishedAt<Key extends Timed> (keys: readonly Key[], nowMs: number): Key[] {
  return keys
    .filter(({ fromMs }) => fromMs <= nowMs + SIGNS_MS)
    .filter((_key, index, plausible) => {
      const next = plausible[index + 1]
      return next === undefined || next.fromMs + LINGER_MS > nowMs
    })
}

/** From when a key that has to be made now will sign; undefined: none has to. */
export function nextKeyFrom (keys: readonly Timed[], nowMs: number): number | undefined {
  const last = keys.at(-1)
  if (last === undefined) return nowMs
  const dueMs = last.fromMs + SIGNS_MS
  return nowMs < dueMs - LEAD_MS ? undefined : Math.max(dueMs, nowMs + SHORT_LEAD_MS)
}

/** Until when the keys are kept if nothing looks at them. */
export const keptUntil = (keys: readonly Timed[]): number => (keys.at(-1)?.fromMs ?? 0) + 2 * SIGNS_MS
