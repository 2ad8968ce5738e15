import type { Config } from '../variables.js'

/** Where a sign-in without a return address ends, by role. */
export type HomeUrls = ReadonlyMap<string, string>

/** Stands for every role. */
const ANY = '*'

/** The pairs of `HOME_URL`, as they are written: role, then URL. One URL is that of every role. */
export function homePairs (value = ''): [role: string, url: string][] {
  if (value === '') return []
  if (/^https?:/.test(value)) return [[ANY, value]]
  return value.split(',').map((pair) => {
    const end = pair.indexOf('=')
    return [pair.slice(0, end), pair.slice(end + 1)]
  })
}

export function homeUrls ({ HOME_URL }: Pick<Config, 'HOME_URL'>): HomeUrls {
  return new Map(homePairs(HOME_URL).map(([role, url]) => [role, new URL(url).href]))
}

/**
 * Where a user with this role is at home, as an absolute URL; undefined if `HOME_URL` does not say it.
 *
 * @param role undefined for a guest.
 */
export const homeUrl = (urls: HomeUrls, role: string | undefined): string | undefined =>
  urls.get(role ?? ANY) ?? urls.get(ANY)

/** The origins of all of them. */
export const homeOrigins = (urls: HomeUrls): string[] =>
  [...new Set([...urls.values()].map((url) => new URL(url).origin))]

/** Whether `role` of a pair stands for every role. */
export const isAnyRole = (role: string): boolean => role === ANY
