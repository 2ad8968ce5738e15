/**
 * Values that parse but cannot be used, or that contradict each other.
 *
 * @module
 */
import { accessSync, constants } from 'node:fs'
import { isIP } from 'node:net'
import { poolIds } from './cognito-events/pools.js'
import { requiredRoles } from './device-bound/required-roles.js'
import { homePairs, isAnyRole } from './login/home-url.js'
import { OAUTH2_STARTS } from './login/paths.js'
import { isAt, safeReturnTo } from './login/return-to.js'
import { regionOf } from './rds/region.js'
import { limitPairs } from './session-limit.js'
import { connectionStringProblem, parseConnectionString } from './sessions/connection-string.js'
import { singleHosts } from './sessions/hosts.js'
import { isLoopback, parseUrl } from './url.js'
import type { Config, Problem } from './variables.js'

/**
 * Every contradiction in `config`; none if it can be used.
 *
 * @param malformed variables that are known to be wrong: `config` has placeholders for them.
 */
export function contradictions (config: Config, malformed: ReadonlySet<string> = new Set()): Problem[] {
  return [
    ...urls(config),
    ...database(config.DATABASE_URL),
    ...databaseToken(config, malformed),
    ...(malformed.has('PUBLIC_URL') ? [] : cookie(config)),
    ...(malformed.has('ROLES') ? [] : roles(config)),
    ...(malformed.has('HOME_URL') ? [] : home(config, malformed)),
    ...(malformed.has('SESSION_LIMIT') ? [] : sessionLimits(config, malformed)),
    ...deviceBound(config, malformed),
    ...userClaims(config),
    ...cognito(config, malformed),
    ...proxies(config),
    ...egress(config),
    ...metrics(config)
  ].filter(({ name }) => !malformed.has(name))
}

/** An app client of Cognito has at most two active secrets. */
const MAX_CLIENT_SECRETS = 2
/** Each may have 2,048 characters, and a session keeps all of them. */
const MAX_USER_CLAIMS = 10
/** Claims and keys of the session's user that the server fills in, and claims about the ID token itself. */
const OWN_CLAIMS: ReadonlySet<string> = new Set([
  'sub', 'email', 'emailVerified', 'name', 'username',
  'iss', 'aud', 'azp', 'exp', 'iat', 'nbf', 'jti', 'nonce', 'at_hash', 'token_use', '__proto__'
])

const problem = (name: string, reason: string): Problem => ({ name, reason })

/** What is on PORT is public. */
function metrics ({ METRICS_PORT: port, PORT }: Config): Problem[] {
  if (port === undefined || port === 0 || port !== PORT) return []
  return [problem('METRICS_PORT', 'must be another port than PORT: metrics are not public')]
}

function urls (config: Config): Problem[] {
  const isDefault = config.LOGOUT_URL === `${config.PUBLIC_URL}/`
  const named: [string, string[]][] = [
    ['PUBLIC_URL', [config.PUBLIC_URL]],
    ['COGNITO_DOMAIN', [config.COGNITO_DOMAIN]],
    ['RETURN_ORIGINS', config.RETURN_ORIGINS],
    ['COGNITO_ISSUER', config.COGNITO_ISSUER],
    ['LOGOUT_URL', isDefault ? [] : [config.LOGOUT_URL]],
    ['LOGOUT_URLS', config.LOGOUT_URLS.filter((url) => url !== config.LOGOUT_URL)]
  ]
  return named.flatMap(([name, values]) => values.flatMap((value) => {
    const reason = urlProblem(name, value)
    return reason === undefined ? [] : [problem(name, values.length > 1 ? `${reason} (${shown(value)})` : reason)]
  }))
}

/** Which of several URLs it is, without what may be secret. */
function shown (value: string): string {
  const url = parseUrl(value)
  return url === null ? 'one of them is not' : url.origin
}

/** `http:` is safe only within one machine (RFC 8252 §7.3). */
function urlProblem (name: string, value: string): string | undefined {
  const url = parseUrl(value)
  if (url === null) return 'must be a valid URL'
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password'
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return 'must be https: http is accepted for loopback addresses only'
  }
  if (url.origin === value) return undefined
  if (name === 'RETURN_ORIGINS') return `must hold origins as a browser writes them: ${url.origin}`
  if (name === 'PUBLIC_URL') return `must be an origin as a browser writes it: ${url.origin}`
  return undefined
}

/** pg reads the files at every connection, so a missing one would look like a database that is down. */
function database (connectionString: string): Problem[] {
  const reason = connectionStringProblem(connectionString)
  if (reason !== undefined) return [problem('DATABASE_URL', reason)]
  const parameters = parseConnectionString(singleHosts(connectionString)[0] ?? '')?.searchParams
  return ['sslrootcert', 'sslcert', 'sslkey']
    .filter((name) => !isReadable(parameters?.get(name) ?? null))
    .map((name) => problem('DATABASE_URL', `names a file as ${name} that cannot be read`))
}

/** A token is signed for a user and a host. A reader of it can connect with it for 15 minutes. */
function databaseToken ({ DATABASE_AUTH, DATABASE_URL }: Config, malformed: ReadonlySet<string>): Problem[] {
  const isUsable = !malformed.has('DATABASE_URL') && connectionStringProblem(DATABASE_URL) === undefined
  if (DATABASE_AUTH !== 'rds-iam' || !isUsable) return []
  return singleHosts(DATABASE_URL).flatMap((text) => tokenProblems(text))
    .filter(({ reason }, index, all) => all.findIndex((other) => other.reason === reason) === index)
}

const TLS_MODES = ['require', 'verify-ca', 'verify-full']

function tokenProblems (connectionString: string): Problem[] {
  const url = parseConnectionString(connectionString)
  const parameter = (name: string): string => url?.searchParams.get(name) ?? ''
  const [user, password] = [parameter('user') || url?.username, parameter('password') || url?.password]
  const host = parameter('host') || decodeURIComponent(url?.hostname ?? '')
  const mode = parameter('sslmode')
  const found: Problem[] = []
  if (password) found.push(problem('DATABASE_URL', 'has a password, and DATABASE_AUTH is rds-iam: remove the password'))
  if (!user) found.push(problem('DATABASE_URL', 'names no user, and DATABASE_AUTH is rds-iam: a token is for a user'))
  if (!TLS_MODES.includes(mode)) {
    found.push(problem('DATABASE_URL', 'must have sslmode=verify-full or require: DATABASE_AUTH is rds-iam'))
  }
  if (['', 'placeholder'].includes(host) || host.startsWith('/')) {
    found.push(problem('DATABASE_URL', 'names no host, and DATABASE_AUTH is rds-iam: a token is for a host'))
  } else if (regionOf(host) === undefined) {
    found.push(problem('DATABASE_AUTH', 'is rds-iam, and the host is no endpoint of RDS: set AWS_REGION to its region'))
  }
  return found
}

function isReadable (file: string | null): boolean {
  if (file === null) return true
  try {
    accessSync(file, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/**
 * RFC 6265 §5.1.3 for the domain, RFC 6265bis for the prefixes of the name: `__Secure-`, `__Host-`, `__Http-` and
 * `__Host-Http-`.
 */
function cookie ({ COOKIE_NAME, COOKIE_DOMAIN, PUBLIC_URL, https }: Config): Problem[] {
  const found: Problem[] = []
  const url = parseUrl(PUBLIC_URL)
  const prefix = /^__(host-http|host|http|secure)-/i.exec(COOKIE_NAME)?.[1]?.toLowerCase() ?? ''
  if (prefix !== '' && !https) {
    found.push(problem('COOKIE_NAME', 'has a prefix that browsers accept over https only, and PUBLIC_URL is http'))
  }
  if (prefix.startsWith('host') && COOKIE_DOMAIN !== undefined) {
    found.push(problem('COOKIE_DOMAIN', 'contradicts COOKIE_NAME: a cookie with the prefix __Host- has no domain'))
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

function roles ({ ROLES, OPEN_ROLES, ROLE_LABELS, ROLE_MAP }: Config): Problem[] {
  const unknown = (name: string, given: string[]) => given
    .filter((role) => !ROLES.includes(role))
    .map((role) => problem(name, `has ${role}, which is not in ROLES`))
  const mapped = ROLE_MAP.map((pair) => pair.slice(pair.lastIndexOf('=') + 1))
  const found = [...unknown('OPEN_ROLES', OPEN_ROLES), ...unknown('ROLE_MAP', mapped)]
  if (ROLES.length === 0) found.push(problem('ROLES', 'must name at least one role'))
  return [...found, ...labels(ROLE_LABELS, ROLES)]
}

function labels (pairs: readonly string[], roles: readonly string[]): Problem[] {
  const labelled = pairs.map((pair) => pair.slice(0, pair.indexOf('=')))
  return labelled.flatMap((role, index) => [
    ...(roles.includes(role) ? [] : [problem('ROLE_LABELS', `has ${role}, which is not in ROLES`)]),
    ...(labelled.indexOf(role) === index ? [] : [problem('ROLE_LABELS', `has ${role} more than once`)])
  ])
}

function sessionLimits ({ SESSION_LIMIT, ROLES }: Config, malformed: ReadonlySet<string>): Problem[] {
  const named = limitPairs(SESSION_LIMIT ?? '')?.map(([role]) => role) ?? []
  const unknown = malformed.has('ROLES') ? [] : named.filter((role) => role !== '*' && !ROLES.includes(role))
  const reasons = [
    ...unknown.map((role) => `has ${role}, which is not in ROLES`),
    ...named.filter((role, index) => named.indexOf(role) !== index).map((role) => `has ${role} twice`)
  ]
  return [...new Set(reasons)].map((reason) => problem('SESSION_LIMIT', reason))
}

/** Browsers bind sessions over https alone. docs/device-bound.md says why the cookie must be of one host. */
function deviceBound (
  { DEVICE_BOUND_SESSIONS, COOKIE_DOMAIN, ROLES, https }: Config, malformed: ReadonlySet<string>
): Problem[] {
  const name = 'DEVICE_BOUND_SESSIONS'
  if (DEVICE_BOUND_SESSIONS === 'off' || malformed.has(name)) return []
  const unknown = malformed.has('ROLES')
    ? []
    : requiredRoles(DEVICE_BOUND_SESSIONS).filter((role) => !ROLES.includes(role))
  return [
    ...(https || malformed.has('PUBLIC_URL') ? [] : [problem(name, 'needs https, and PUBLIC_URL is http')]),
    ...(COOKIE_DOMAIN === undefined ? [] : [problem(name, 'contradicts COOKIE_DOMAIN: it works on one host alone')]),
    ...unknown.map((role) => problem(name, `has ${role}, which is not in ROLES`))
  ]
}

function home ({ HOME_URL, PUBLIC_URL, ROLES, prefix }: Config, malformed: ReadonlySet<string>): Problem[] {
  const pairs = homePairs(HOME_URL)
  const named = pairs.map(([role]) => role)
  const unknown = malformed.has('ROLES') ? [] : named.filter((role) => !isAnyRole(role) && !ROLES.includes(role))
  const reasons = [
    ...unknown.map((role) => `has ${role}, which is not in ROLES`),
    ...named.filter((role, index) => named.indexOf(role) !== index).map((role) => `has ${role} twice`),
    ...pairs.flatMap(([, url]) => homeProblem(url, PUBLIC_URL, prefix) ?? [])
  ]
  return [...new Set(reasons)].map((reason) => problem('HOME_URL', reason))
}

function homeProblem (url: string, publicUrl: string, prefix: string): string | undefined {
  const reason = urlProblem('HOME_URL', url)
  if (reason !== undefined) return reason
  const home = new URL(url)
  const { href, origin } = home
  // It would redirect to itself.
  if (origin !== publicUrl && withoutDot(origin) === withoutDot(publicUrl)) {
    return 'must end its host as PUBLIC_URL does, with or without a dot'
  }
  const isLogin = safeReturnTo(href, publicUrl, [origin], prefix) === undefined ||
    (origin === publicUrl && isAt({ pathname: endOf(home) }, OAUTH2_STARTS))
  return isLogin ? 'must not lead to the login itself' : undefined
}

/** The last two segments of a path: those routes are below the prefix of the scope. */
const endOf = ({ pathname }: URL): string => /(?:\/[^/]+){2}\/*$/.exec(pathname)?.[0] ?? pathname

/** An origin without the dot that may end its host (RFC 3986 §3.2.2). */
const withoutDot = (origin: string): string => origin.replace(/\.(?=:\d+$|$)/, '')

function userClaims ({ USER_CLAIMS }: Config): Problem[] {
  const found = USER_CLAIMS
    .filter((claim) => OWN_CLAIMS.has(claim))
    .map((claim) => problem('USER_CLAIMS', `must not have ${claim}: the server uses it itself`))
  if (USER_CLAIMS.length > MAX_USER_CLAIMS) {
    found.push(problem('USER_CLAIMS', `must have at most ${MAX_USER_CLAIMS} claims`))
  }
  return found
}

function cognito (
  config: Config, malformed: ReadonlySet<string>
): Problem[] {
  const { COGNITO_ISSUER, COGNITO_CLIENT_SECRET, COGNITO_EVENTS_SECRET, COGNITO_SCOPES } = config
  const found: Problem[] = []
  if (COGNITO_EVENTS_SECRET.length > 0 && COGNITO_ISSUER.length > 0 && poolIds(config).length === 0) {
    found.push(problem('COGNITO_EVENTS_SECRET', 'needs COGNITO_USER_POOL_ID: only events of that user pool count'))
  }
  if (COGNITO_CLIENT_SECRET.length > MAX_CLIENT_SECRETS) {
    found.push(problem('COGNITO_CLIENT_SECRET', `must have at most ${MAX_CLIENT_SECRETS} secrets`))
  }
  if (COGNITO_ISSUER.length === 0 && !malformed.has('COGNITO_ISSUER')) {
    found.push(problem('COGNITO_USER_POOL_ID', 'is missing: set it or COGNITO_ISSUER'))
  }
  if (!COGNITO_SCOPES.split(' ').includes('openid')) {
    found.push(problem('COGNITO_SCOPES', 'must include openid: without it Cognito sends no ID token'))
  }
  return found
}

function proxies ({ TRUST_PROXY }: Config): Problem[] {
  return TRUST_PROXY
    .filter((range) => !isRange(range))
    .map(() => problem('TRUST_PROXY', 'must hold addresses or CIDRs, such as 10.0.0.0/8'))
}

function egress ({ HTTPS_PROXY }: Config): Problem[] {
  const url = HTTPS_PROXY === undefined ? undefined : parseUrl(HTTPS_PROXY)
  return url === null ? [problem('HTTPS_PROXY', 'must be a valid URL')] : []
}

function isRange (range: string): boolean {
  const [address = '', prefix, ...rest] = range.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  if (prefix === undefined) return true
  return /^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= (family === 4 ? 32 : 128)
}
