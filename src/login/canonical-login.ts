import type { IncomingHttpHeaders } from 'node:http'
import { parseUrl } from '../url.js'
import { loginPath } from './paths.js'

/** Parameter of a login that was sent to `PUBLIC_URL` once. Behind a proxy that rewrites `Host` it ends the loop. */
export const CANONICAL = 'canonical'

export interface Arrival {
  /** The request target. */
  url: string
  /** What the client, or a trusted proxy, says it asked for; empty if that is unknown. */
  host: string
  protocol: string
  headers: IncomingHttpHeaders
}

/**
 * Where a login has to start that arrives at another host than that of `PUBLIC_URL`, or over http in place of https:
 * its cookie would not come back to the callback. Undefined if it is at its place, or was sent on before.
 *
 * Without a trusted proxy that sets `X-Forwarded-Proto`, the scheme is unknown: TLS ends before this server.
 */
export function canonicalLogin (
  { url, host, protocol, headers }: Arrival,
  { PUBLIC_URL, https, TRUST_PROXY, prefix }:
  { PUBLIC_URL: string, https: boolean, TRUST_PROXY: readonly string[], prefix?: string }
): string | undefined {
  const said = String(headers['x-forwarded-proto'] ?? '').split(',').at(-1)?.trim()
  const isOverHttp = https && TRUST_PROXY.length > 0 && said === 'http' && protocol === 'http'
  if (!isOverHttp && (host === '' || isHostOf(host, PUBLIC_URL))) return undefined
  const [target = ''] = url.split('#', 1)
  const given = target.includes('?') ? target.slice(target.indexOf('?') + 1) : ''
  // An empty parameter counts as absent.
  const query = given.split('&').filter((part) => part !== CANONICAL && part !== `${CANONICAL}=`).join('&')
  if (new URLSearchParams(query).has(CANONICAL)) return undefined
  return `${PUBLIC_URL}${loginPath(prefix)}?${query === '' ? '' : `${query}&`}${CANONICAL}=1`
}

/** Whether `host` names the host of `publicUrl`. Cookies do not tell ports apart. */
function isHostOf (host: string, publicUrl: string): boolean {
  const { host: expected, hostname } = new URL(publicUrl)
  return host === expected || parseUrl(`http://${host}`)?.hostname === hostname
}
