/**
 * Connection strings as the driver reads them.
 *
 * @see {@link https://node-postgres.com/features/connecting#connection-uri}
 * @module
 */

import { hostsProblem, singleHosts } from './hosts.js'

const ENCODE = 'percent-encode special characters in the user name and the password ' +
  '(@ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25)'

/** A name, an IPv4 address, an IPv6 address, or the percent-encoded folder of a Unix socket; a port. */
const HOST_AND_PORT = /^([\p{L}\p{N}._-]*|\[[0-9a-f:.]+\]|%2f[\w.~%-]*)(:\d*)?$/iu

/** What makes the driver encode a connection string. */
const UNENCODED = / |%[^a-f0-9]|%[a-f0-9][^a-f0-9]/i

/** Options of a `pg.Pool`. */
export interface ConnectionOptions {
  connectionString: string
  /** The most iterations that a server may ask for when it verifies a password (SCRAM); 0: any number. */
  scramMaxIterations?: number
}

/**
 * The options for a connection string that has no {@link connectionStringProblem}. Its parameter
 * `scramMaxIterations` is an option, because the driver does not read it there. With several hosts,
 * they are for `createPool`.
 */
export function connectionOptions (connectionString: string): ConnectionOptions {
  const [first = ''] = singleHosts(connectionString)
  const iterations = parseConnectionString(first)?.searchParams.get('scramMaxIterations')
  if (iterations === null || iterations === undefined) return { connectionString }
  return { connectionString, scramMaxIterations: Number(iterations) }
}

/** A connection string as a URL; null if it is none. The host may be missing, unlike in other URLs. */
export function parseConnectionString (text: string): URL | null {
  const encoded = UNENCODED.test(text) ? encodeURI(text).replaceAll(/%25(\d\d)/g, '%$1') : text
  return parse(encoded) ?? parse(encoded.replace('@/', '@placeholder/'))
}

/** Not by `URL.canParse`, which takes some texts in Node.js 20 and 22 that `new URL` refuses. */
function parse (text: string): URL | null {
  try {
    return new URL(text)
  } catch {
    return null
  }
}

/**
 * Why a connection string cannot be used, to complete a sentence; undefined if it can. It never
 * quotes the string.
 *
 * A special character that is not encoded may end the password early. What follows would be looked
 * up as the host, and logged.
 */
export function connectionStringProblem (text: string): string | undefined {
  // The driver's other form: the folder of a Unix socket, and the database.
  if (/^(\/|socket:)/.test(text)) return undefined
  // As URLs are parsed.
  const [, authority, rest = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)(.*)$/i.exec(text.replaceAll(/[\t\n\r]/g, '')) ?? []
  if (authority === undefined) return 'must be a URL such as postgres://user:password@host:5432/database'
  const parts = authority.split('@')
  if (parts.length > 2 || /[@#]/.test(rest)) return `is ambiguous: ${ENCODE}`
  const problem = hostsProblem(text) ?? singleHosts(text).map(hostProblem).find((found) => found !== undefined)
  const url = parseConnectionString(singleHosts(text)[0] ?? '')
  if (problem !== undefined || url === null) return problem
  const iterations = url.searchParams.get('scramMaxIterations')
  if (iterations !== null && !/^\d{1,9}$/.test(iterations)) {
    return 'has a parameter scramMaxIterations that is not a whole number'
  }
  return undefined
}

/** As {@link connectionStringProblem}, of a text with one host. */
function hostProblem (text: string): string | undefined {
  const [, authority = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(text.replaceAll(/[\t\n\r]/g, '')) ?? []
  const url = parseConnectionString(text)
  const isValid = url !== null && HOST_AND_PORT.test(authority.split('@').at(-1) ?? '') && isDecodable(url)
  return isValid ? undefined : `must be a valid URL: ${ENCODE}`
}

function isDecodable ({ username, password, hostname, pathname }: URL): boolean {
  try {
    return [username, password, hostname, pathname].every((part) => decodeURIComponent(part) !== undefined)
  } catch {
    return false
  }
}
