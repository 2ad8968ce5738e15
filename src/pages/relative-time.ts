import { perLanguage, type Language } from './language.js'

const MINUTE_S = 60
const HOUR_S = 3600
const DAY_S = 24 * HOUR_S
/** Up to here minutes are more telling than hours. */
const MAX_MINUTES_S = 90 * MINUTE_S

/** Up to here hours are more telling than days. */
const MAX_HOURS_S = 48 * HOUR_S

// A page has one for each session: making one takes thirty times as long as using it.
const formats = perLanguage((language) => new Intl.RelativeTimeFormat(language))
const formatsOfNow = perLanguage((language) => new Intl.RelativeTimeFormat(language, { numeric: 'auto' }))

/** A time ahead in words, which needs no time zone: `in 12 minutes`. Never earlier than now. */
export function inWords (seconds: number, language: Language): string {
  const format = formats(language)
  const ahead = Math.max(0, seconds)
  if (ahead < MINUTE_S) return format.format(Math.floor(ahead), 'second')
  if (ahead < MAX_MINUTES_S) return format.format(Math.floor(ahead / MINUTE_S), 'minute')
  return format.format(Math.floor(ahead / HOUR_S), 'hour')
}

/** A time that has passed in words: `now`, `12 minutes ago`. Never later than now. */
export function agoInWords (seconds: number, language: Language): string {
  if (seconds < MINUTE_S) return formatsOfNow(language).format(0, 'second')
  const format = formats(language)
  if (seconds < MAX_MINUTES_S) return format.format(-Math.floor(seconds / MINUTE_S), 'minute')
  if (seconds < MAX_HOURS_S) return format.format(-Math.floor(seconds / HOUR_S), 'hour')
  return format.format(-Math.floor(seconds / DAY_S), 'day')
}
