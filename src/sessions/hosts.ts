/**
 * The hosts of a connection string. The driver knows one, and takes a list for the name of a host.
 *
 * @see {@link https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS}
 * @module
 */

/** Scheme, user information, hosts, and the rest. */
const PARTS = /^([a-z][a-z0-9+.-]*:\/\/)((?:[^/?#]*@)?)([^/?#]*)(.*)$/is

/** With several hosts, only one that takes writes is of use. */
const WRITABLE = ['read-write', 'primary']

/** The same connection string for each of its hosts, in their order. */
export function singleHosts (text: string): string[] {
  const [, scheme, user = '', authority = '', rest = ''] = PARTS.exec(text) ?? []
  if (scheme === undefined) return [text]
  if (authority.includes(',')) return authority.split(',').map((host) => scheme + user + host + rest)
  const hosts = parameter(rest, 'host')?.split(',') ?? []
  if (hosts.length < 2) return [text]
  const ports = parameter(rest, 'port')?.split(',') ?? []
  return hosts.map((host, index) => {
    const port = ports.length > 1 ? ports[index] : undefined
    const atHost = withParameter(rest, 'host', host)
    return scheme + user + authority + (port === undefined ? atHost : withParameter(atHost, 'port', port))
  })
}

/** Why the hosts of a connection string cannot be used, to complete a sentence; undefined if they can. */
export function hostsProblem (text: string): string | undefined {
  const [, , , authority = '', rest = ''] = PARTS.exec(text) ?? []
  const named = parameter(rest, 'host')
  const hosts = (authority.includes(',') ? authority : named ?? '').split(',')
  const ports = parameter(rest, 'port')?.split(',') ?? []
  if (hosts.length > 1 && hosts.some((host) => /^(:\d*)?$/.test(host))) return 'has an empty name in its list of hosts'
  if (ports.length > 1 && (authority.includes(',') || ports.length !== hosts.length)) {
    return 'has another number of ports than of hosts'
  }
  const wanted = parameter(rest, 'target_session_attrs')
  if (wanted !== undefined && ![...WRITABLE, 'any'].includes(wanted)) {
    return 'has a parameter target_session_attrs that is not read-write, primary or any: sessions are written'
  }
  return undefined
}

/** Whether a connection to a server that takes no writes is of no use. */
export function wantsWritable (text: string): boolean {
  const wanted = parameter(PARTS.exec(text)?.[4] ?? '', 'target_session_attrs')
  if (wanted !== undefined) return WRITABLE.includes(wanted)
  return singleHosts(text).length > 1
}

/** A parameter of the query of a URL. */
function parameter (rest: string, name: string): string | undefined {
  const query = rest.slice(rest.indexOf('?') + 1)
  return rest.includes('?') ? new URLSearchParams(query).get(name) ?? undefined : undefined
}

const withParameter = (rest: string, name: string, value: string): string =>
  rest.replace(new RegExp(`([?&]${name}=)[^&#]*`), (_given, start: string) => start + encodeURIComponent(value))
