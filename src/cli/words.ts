/**
 * Numbers and times for people.
 *
 * @module
 */

const numbers = new Intl.NumberFormat('en')

/** `1,234,567` */
export const grouped = (count: number): string => numbers.format(count)

/** `1,234 rows`, `1 row` */
export const counted = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`

/** ISO 8601, UTC, to the second. */
export const timeOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z')

const UNITS: readonly [seconds: number, name: string][] = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]

/** The two largest units of a duration: `1 h 5 min`. */
export function durationOf (seconds: number): string {
  const parts: string[] = []
  let rest = Math.round(Math.abs(seconds))
  for (const [size, name] of UNITS) {
    const count = Math.floor(rest / size)
    rest %= size
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.slice(0, 2).join(' ') || '0 s'
}

/** `1.5 GB`, in units of 1,024 as `pg_size_pretty` has them. */
export function bytesOf (bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 || size >= 10 ? Math.round(size) : size.toFixed(1)} ${units[unit] ?? ''}`
}
