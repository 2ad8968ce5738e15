/**
 * Reads a `Cookie` header as @fastify/cookie does, but with every cookie of a repeated name.
 *
 * @module
 */

/** The values of all cookies of this name, in their order, percent-decoded where that works. */
export function cookieValues (header: string, name: string): string[] {
  return pairs(header).filter(([key]) => key === name).map(([, value]) => decoded(value))
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
