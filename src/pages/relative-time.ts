import type { Language } from './language.js'

const MINUTE_S = 60
const HOUR_S = 3600
/** Up to here minutes are more telling than hours. */
const MAX_MINUTES_S = 90 * MINUTE_S

/** A time ahead in words, which needs no time zone: `in 12 minutes`. Never earlier than now. */
export function inWords (seconds: number, language: Language): string {
  const format = new Intl.RelativeTimeFormat(language)
  const ahead = Math.max(0, seconds)
  if (ahead < MINUTE_S) return format.format(Math.floor(ahead), 'second')
  if (ahead < MAX_MINUTES_S) return format.format(Math.floor(ahead / MINUTE_S), 'minute')
  return format.format(Math.floor(ahead / HOUR_S), 'hour')
}
