/**
 * What no single variable can tell: values that parse but cannot be used, or that contradict each other.
 *
 * @module
 */
import { accessSync, constants } from 'node:fs'
import { isIP } from 'node:net'
import type { Config, Problem } from './config.js'
import { isLoopback, parseUrl } from './url.js'

/**
 * Every contradiction in `config`, none when it can be used.
 *
 * @param bad variables already known to be wrong: `config` has something else in their place.
 */
export function contradictions (config: Config, bad: ReadonlySet<string> = new Set()): Problem[] {
  return [
    ...urls(config),
    ...(bad.has('PUBLIC_URL') ? [] : cookie(config)),
    ...(bad.has('ROLES') ? [] : roles(config)),
    ...cognito(config, bad),
    ...config.TRUST_PROXY.filter((range) => !isRange(range))
      .map(() => problem('TRUST_PROXY', 'must hold addresses or CIDRs, such as 10.0.0.0/8'))
  ].filter(({ name }) => !bad.has(name))
}

const problem = (name: string, reason: string): Problem => ({ name, reason })

/** `http:` only where nobody else can listen: {@link https://www.rfc-editor.org/rfc/rfc8252#section-7.3}. */
function urls (config: Config): Problem[] {
  const named: [string, string][] = [
    ['PUBLIC_URL', config.PUBLIC_URL],
    ['COGNITO_DOMAIN', config.COGNITO_DOMAIN],
    ...config.RETURN_ORIGINS.map((origin): [string, string] => ['RETURN_ORIGINS', origin])
  ]
  if (config.LOGOUT_URL !== `${config.PUBLIC_URL}/`) named.push(['LOGOUT_URL', config.LOGOUT_URL])
  if (config.COGNITO_ISSUER !== '') named.push(['COGNITO_ISSUER', config.COGNITO_ISSUER])
  const found: Problem[] = []
  for (const [name, value] of named) {
    const url = parseUrl(value)
    if (url === null) found.push(problem(name, 'must be a valid URL'))
    else if (url.username !== '' || url.password !== '') found.push(problem(name, 'must not hold a user name or password'))
    else if (url.protocol === 'http:' && !isLoopback(url.hostname)) found.push(problem(name, 'must be https: http is accepted for loopback addresses only'))
    else if (name === 'RETURN_ORIGINS' && url.origin !== value) found.push(problem(name, `must hold origins as a browser writes them: ${url.origin}`))
    else if (name === 'PUBLIC_URL' && url.origin !== value) found.push(problem(name, `must be an origin as a browser writes it: ${url.origin}`))
  }
  return [...found, ...database(config.DATABASE_URL)]
}

/** The files are read at every connection: one that is not there would look like a database that is away. */
function database (connectionString: string): Problem[] {
  const url = parseUrl(connectionString)
  if (url === null) return [problem('DATABASE_URL', 'must be a valid URL: percent-encode special characters of the password')]
  return ['sslrootcert', 'sslcert', 'sslkey'].filter((name) => {
    const file = url.searchParams.get(name)
    return file !== null && !isReadable(file)
  }).map((name) => problem('DATABASE_URL', `names a file as ${name} that cannot be read`))
}

function isReadable (file: string): boolean {
  try {
    accessSync(file, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** @see {@link https://www.rfc-editor.org/rfc/rfc6265#section-5.1.3} and the cookie name prefixes of RFC 6265bis §4.1.3. */
function cookie ({ COOKIE_NAME, COOKIE_DOMAIN, PUBLIC_URL }: Config): Problem[] {
  const found: Problem[] = []
  const url = parseUrl(PUBLIC_URL)
  const prefix = /^__(host|secure)-/i.exec(COOKIE_NAME)?.[1]?.toLowerCase()
  if (prefix !== undefined && url?.protocol !== 'https:') {
    found.push(problem('COOKIE_NAME', 'has a prefix that browsers accept over https only, and PUBLIC_URL is http'))
  }
  if (prefix === 'host' && COOKIE_DOMAIN !== undefined) {
    found.push(problem('COOKIE_DOMAIN', 'contradicts COOKIE_NAME: a __Host- cookie has no domain'))
  }
  if (COOKIE_DOMAIN !== undefined && url !== null && !covers(COOKIE_DOMAIN, url.hostname)) {
    found.push(problem('COOKIE_DOMAIN', `must be the host of PUBLIC_URL (${url.hostname}) or a parent domain of it`))
  }
  return found
}

function covers (domain: string, host: string): boolean {
  const parent = domain.replace(/^\./, '').toLowerCase()
  if (host === parent) return isIP(host) === 0
  return parent.includes('.') && isIP(host) === 0 && host.endsWith(`.${parent}`)
}

function roles ({ ROLES, OPEN_ROLES }: Config): Problem[] {
  const found = OPEN_ROLES.filter((role) => !ROLES.includes(role)).map((role) => problem('OPEN_ROLES', `has ${role}, which is not in ROLES`))
  if (ROLES.length === 0) found.push(problem('ROLES', 'must name at least one role'))
  return found
}

function cognito ({ COGNITO_ISSUER, COGNITO_SCOPES }: Config, bad: ReadonlySet<string>): Problem[] {
  const found: Problem[] = []
  if (COGNITO_ISSUER === '' && !bad.has('COGNITO_ISSUER')) found.push(problem('COGNITO_USER_POOL_ID', 'is missing: it, or COGNITO_ISSUER, names the issuer of the tokens'))
  if (!COGNITO_SCOPES.split(' ').includes('openid')) found.push(problem('COGNITO_SCOPES', 'must have openid: without it Cognito sends no ID token'))
  return found
}

function isRange (range: string): boolean {
  const [address = '', prefix, ...rest] = range.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= (family === 4 ? 32 : 128))
}
