import type { IncomingHttpHeaders } from 'node:http'
import { loginUrl } from '../login/recovery.js'
import { fitReturnTo, safeReturnTo } from '../login/return-to.js'
import { parseUrl } from '../url.js'
import type { Demand } from './query.js'

/**
 * The longest encoded return address, in characters. The URL is in two headers, and nginx keeps the headers of an
 * answer in 4 or 8 KB.
 */
const MAX_ENCODED_LENGTH = 1200
/** What a character takes at most, once it is encoded. */
const ENCODED = 3

interface Origins {
  PUBLIC_URL: string
  RETURN_ORIGINS: readonly string[]
  /** As `Config.prefix`. */
  prefix?: string
}

/**
 * Where the visitor signs in: the URL of a login that asks for what `demand` does.
 *
 * @param headers those of a trusted proxy; undefined if the request comes from anywhere else. They say where the login
 *   returns to, and decide nothing: the login checks the address again.
 */
export function signInUrl (
  { roles = [], maxAge }: Demand, headers: IncomingHttpHeaders | undefined, origins: Origins
): string {
  const [role] = roles
  const returnTo = headers === undefined ? undefined : askedFor(headers, origins)
  return origins.PUBLIC_URL + loginUrl({
    ...(role === undefined || roles.length > 1 ? {} : { requestedRole: role }),
    ...(returnTo === undefined ? {} : { returnTo: fitting(returnTo) }),
    ...(maxAge === undefined ? {} : { maxAge })
  }, { prefix: origins.prefix })
}

/** The address that the visitor asked the proxy for, if a login may return there. */
function askedFor (headers: IncomingHttpHeaders, { PUBLIC_URL, RETURN_ORIGINS, prefix }: Origins): string | undefined {
  const address = addressIn(headers)
  return address === undefined ? undefined : safeReturnTo(address, PUBLIC_URL, RETURN_ORIGINS, prefix)
}

/** The origin of the address that the visitor asked the proxy for, if no login may return there. */
export function foreignOriginIn (
  headers: IncomingHttpHeaders | undefined, { PUBLIC_URL, RETURN_ORIGINS }: Origins
): string | undefined {
  const address = headers === undefined ? undefined : addressIn(headers)
  const origin = address === undefined ? undefined : parseUrl(address)?.origin
  return origin === undefined || [PUBLIC_URL, ...RETURN_ORIGINS].includes(origin) ? undefined : origin
}

function addressIn (headers: IncomingHttpHeaders): string | undefined {
  const uri = headers['x-forwarded-uri']
  const proto = nearest(headers['x-forwarded-proto'])
  const host = nearest(headers['x-forwarded-host'])
  return typeof uri === 'string' && uri.startsWith('/') ? `${proto}://${host}${uri}` : undefined
}

/** Of a list, what the proxy next to this server says. */
const nearest = (value: string | string[] | undefined): string => String(value ?? '').split(',').at(-1)?.trim() ?? ''

function fitting (returnTo: string): string {
  return encodeURIComponent(returnTo).length <= MAX_ENCODED_LENGTH
    ? returnTo
    : fitReturnTo(returnTo, MAX_ENCODED_LENGTH / ENCODED)
}
