/**
 * Reads a `Cookie` header as @fastify/cookie does, but with every cookie of a repeated name.
 *
 * @module
 */

/** The values of all cookies of this name, in their order, percent-decoded where that works. */
export function cookieValues (header: string, name: string): string[] {
  const at = header.indexOf(name)
  if (at < 0) return []
  const valueAt = at + name.length + 1
  // Most requests have the name once: proxies ask for each of theirs, with all cookies of the site.
  if (header[valueAt - 1] === '=' && isStart(header, at) && !header.includes(name, valueAt)) {
    const end = header.indexOf(';', valueAt)
    return [decoded(header.slice(valueAt, end < 0 ? undefined : end).trim())]
  }
  return pairs(header).filter(([key]) => key === name).map(([, value]) => decoded(value))
}

/** Whether a cookie begins at this index. */
function isStart (header: string, index: number): boolean {
  let before = index
  while (header[before - 1] === ' ') before--
  return before === 0 || header[before - 1] === ';'
}

/** Whether any cookie's name matches. */
export function hasCookie (header: string, matches: (name: string) => boolean): boolean {
  return pairs(header).some(([name]) => matches(name))
}

function pairs (header: string): [name: string, value: string][] {
  return header.split(';').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=')
    return at < 0 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()]]
  })
}

function decoded (value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
