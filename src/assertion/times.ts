/**
 * When a key is published, signs, and is published no longer. All times are on the database's clock.
 *
 * A verifier that has read the key set must have the next key before that signs, and the last key for as long as
 * what it signed holds. What delays it:
 * - an instance that publishes looks at the row when its view is older than {@link REFRESH_MS};
 * - HTTP caches keep the key set for {@link KEY_SET_MAX_AGE_S};
 * - libraries keep it for 5 min (PyJWT), 10 min (jose), an hour (Go's keyfunc) or 12 h (Microsoft.IdentityModel), and
 *   most of them read it again at once for a key that they do not know, but not more often than every 30 s (jose) or
 *   5 min (keyfunc, Microsoft.IdentityModel).
 *
 * @module
 */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** How long a key signs. Long against its lead, short against a stolen backup whose secret leaks later. */
export const SIGNS_MS = 7 * DAY_MS

/** How long a key is published before it signs: twice the longest of the times above. */
export const LEAD_MS = DAY_MS

/**
 * The same when an operator rotates, or when no instance ran while a key was due: above the sum of `REFRESH_MS`,
 * `KEY_SET_MAX_AGE_S` and the 10 min of a library that reads the key set only then.
 */
export const SHORT_LEAD_MS = 20 * MINUTE_MS

/** How long a key is published after it signed last: the minute of an assertion, and clocks that differ. */
export const LINGER_MS = HOUR_MS

/** `max-age` of the key set, in seconds. */
export const KEY_SET_MAX_AGE_S = 300

/** How old an instance's view of the keys may be before it looks again, in the background for a signature. */
export const REFRESH_MS = MINUTE_MS

/** With an older view, a signature waits for the look. */
export const STALE_MS = 2 * MINUTE_MS

/** After a look that failed, the next one begins this much later. */
export const RETRY_MS = 5000

/** How long the key set waits for a look, at most, before it is answered from memory. */
export const PATIENCE_MS = 1000
