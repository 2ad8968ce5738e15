/**
 * Every environment variable that the server reads, once: its name, form, default and meaning.
 *
 * The table is plain JSON Schema. Building it with TypeBox would load 300 modules, a quarter of the start.
 *
 * @module
 */

/** Ten years. Longer lifetimes are assumed to be typing errors. */
const MAX_S = 315_360_000
/** The longest delay of a Node.js timer, in seconds. */
const MAX_TIMER_S = 2_147_483

const count = (fallback: number | undefined, minimum: number, maximum: number, meaning: string) => ({
  type: 'integer',
  minimum,
  maximum,
  ...(fallback === undefined ? {} : { default: fallback }),
  description: `a whole number from ${minimum} to ${maximum}: ${meaning}`
}) as const

const seconds = (fallback: number, meaning: string, maximum = MAX_S) => ({
  type: 'integer',
  minimum: 1,
  maximum,
  default: fallback,
  description: `a whole number of seconds from 1 to ${maximum}: ${meaning}`
}) as const

const flag = (fallback: boolean, meaning: string) => ({
  type: 'boolean', default: fallback, description: `true or false: ${meaning}`
}) as const

/** Without a default: off. */
const port = (meaning: string) => ({
  type: 'integer', minimum: 0, maximum: 65_535, description: `a whole number from 0 to 65535: ${meaning}`
}) as const

const text = (pattern: string, meaning: string, options: { default?: string } = {}) => ({
  type: 'string', pattern, description: meaning, ...options
}) as const

/** A comma-separated variable. `separator` is a keyword of environment.ts. */
const list = (item: string, meaning: string, options: { default?: string } = {}) => ({
  type: 'string',
  separator: ',',
  pattern: `^(${item}(,${item})*)?$`,
  description: `a comma-separated list: ${meaning}`,
  ...options
}) as const

/** The path of a file that holds the value of a variable. */
const file = (variable: string) => text('^[^\\x00-\\x1f\\x7f]+$', `the path of a file that holds ${variable}`)

const ROLE = '[A-Za-z0-9_-]{1,64}'
const LABEL = '[^,\\s\\p{Cc}][^,\\p{Cc}]{0,63}'
const ORIGIN = 'https?://[A-Za-z0-9.:_\\[\\]-]+'
const URL_ORIGIN = `^${ORIGIN}/?$`
/** Without a comma, which separates such addresses. */
const ADDRESS = 'https?://[\\x21-\\x2b\\x2d-\\x7e]+'
const LIMIT = '[1-9][0-9]{0,3}'
const PRINTABLE = '[\\x21-\\x7e]+'

/** JSON Schema of each variable. The description completes "must be …" and "is missing: it is …". */
export const variables = {
  NODE_ENV: text('', '"production" never starts the local development services'),
  HOST: text('^[A-Za-z0-9.:_-]+$', 'the address to listen on'),
  PORT: count(3000, 0, 65_535, 'the port to listen on; 0: any free one'),
  LOG_LEVEL: text(
    '^(fatal|error|warn|info|debug|trace|silent)$', 'fatal, error, warn, info, debug, trace or silent',
    { default: 'info' }
  ),
  PUBLIC_URL: text(
    URL_ORIGIN, 'the origin at which browsers reach the server, such as https://auth.example.com, without a path'
  ),
  TRUST_PROXY: list(
    '[0-9A-Fa-f.:/]+', 'addresses or CIDRs of the load balancer whose X-Forwarded-* headers are trusted',
    { default: '' }
  ),

  DRAIN_SECONDS: count(
    undefined, 0, 600, 'seconds for which a stopping server goes on serving, so that load balancers notice'
  ),

  DATABASE_URL: text(
    '^postgres(ql)?://', 'a PostgreSQL connection string, postgres://user:password@host:5432/database'
  ),
  DATABASE_URL_FILE: file('DATABASE_URL'),
  DATABASE_AUTH: text(
    '^(password|rds-iam)$', 'password, or rds-iam for a signed token of AWS in place of a password',
    { default: 'password' }
  ),
  DATABASE_POOL_MAX: count(10, 1, 1000, 'connections per process'),
  DATABASE_PREPARED_STATEMENTS: flag(
    false, 'statements are planned once per connection; for direct connections, and PgBouncer from 1.21'
  ),

  SESSION_SECRET: list('[^,]{32,}', 'secrets of at least 32 characters each; the first signs, all verify'),
  SESSION_SECRET_FILE: file('SESSION_SECRET'),
  SESSION_TTL: seconds(900, 'idle lifetime of a session'),
  SESSION_ABSOLUTE_TTL: seconds(43_200, 'absolute lifetime of a session, however much it is used'),
  SESSION_TOUCH_INTERVAL: seconds(60, 'the expiry of a session in use is written at most once per interval'),
  SESSION_PRUNE_INTERVAL: seconds(60, 'how often expired rows are deleted', MAX_TIMER_S),
  SESSION_HASH_IDS: flag(true, 'store only a keyed hash of each session id'),
  SESSION_LIMIT: text(
    `^(${LIMIT}|(${ROLE}|\\*)=${LIMIT}(,(${ROLE}|\\*)=${LIMIT})*)$`,
    'a whole number from 1 to 9999, or ROLE=number pairs, comma-separated, with * for every other role: sessions ' +
    'that one user may have'
  ),
  SESSION_LIMIT_ACTION: text(
    '^(end-oldest|refuse)$', 'end-oldest or refuse: what a sign-in beyond SESSION_LIMIT does',
    { default: 'end-oldest' }
  ),
  SESSION_END_COMMIT: text(
    '^(default|remote_apply)$', 'default or remote_apply: whether ending a session waits for the synchronous standby',
    { default: 'default' }
  ),
  ACCOUNT_PAGE: flag(true, 'serve the page at which people see and end their sessions'),
  LOGIN_TTL: seconds(900, 'how long a login may take until it returns from Cognito'),
  COOKIE_NAME: text(
    '^[A-Za-z0-9!#$%&\'*+.^_`|~-]{1,100}$', 'a cookie name of at most 100 characters', { default: 'cashsouk.sid' }
  ),
  COOKIE_LIFETIME: text(
    '^(idle|absolute)$', 'idle or absolute: the lifetime that the session cookie has; the row ends after either',
    { default: 'idle' }
  ),
  DEVICE_BOUND_SESSIONS: text(
    `^(off|on|required:${ROLE}(,${ROLE})*)$`,
    'off, on, or required: and roles, comma-separated, that have no session in a browser which cannot bind it',
    { default: 'off' }
  ),
  COOKIE_DOMAIN: text('^\\.?[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*$', 'a domain name'),

  COGNITO_USER_POOL_ID: text(
    '^[a-z]{2,}(-[a-z]+)+-[0-9]+_[A-Za-z0-9]+$', 'a user pool id, such as eu-west-1_AbCdEfGhI'
  ),
  COGNITO_ISSUER: list(
    'https?://[^?#@,\\s]+', 'the issuers whose ID tokens are accepted, each a URL; their keys are read from there'
  ),
  COGNITO_DOMAIN: text(
    URL_ORIGIN,
    'the origin of the user pool\'s domain, such as https://example.auth.eu-west-1.amazoncognito.com, without a path'
  ),
  COGNITO_CLIENT_ID: text(`^${PRINTABLE}$`, 'the app client\'s id'),
  COGNITO_CLIENT_SECRET: list(
    '[\\x21-\\x2b\\x2d-\\x7e]+', 'the app client\'s secret, or both while it has two; unset for a public client'
  ),
  COGNITO_CLIENT_SECRET_FILE: file('COGNITO_CLIENT_SECRET'),
  COGNITO_EVENTS_SECRET: list(
    '[\\x21-\\x2b\\x2d-\\x7e]{16,512}',
    'what POST /api/auth/cognito-events must bring: secrets of 16 to 512 characters, each of which is accepted'
  ),
  COGNITO_EVENTS_SECRET_FILE: file('COGNITO_EVENTS_SECRET'),
  COGNITO_SCOPES: text(
    `^${PRINTABLE}( ${PRINTABLE})*$`, 'scopes separated by single spaces', { default: 'openid email profile' }
  ),

  ROLES: list(ROLE, 'the roles that a login may ask for', { default: 'INVESTOR,ISSUER,ADMIN' }),
  OPEN_ROLES: list(ROLE, 'the roles of ROLES that every signed-in user may have'),
  ROLE_LABELS: list(
    `${ROLE}=${LABEL}`, 'what people read in place of a role, such as INVESTOR=Investor portal', { default: '' }
  ),
  ROLE_CLAIM: text(
    `^${PRINTABLE}$`, 'the claim of the ID token that has a user\'s groups', { default: 'cognito:groups' }
  ),
  ROLE_MAP: list(
    `[^,\\s]([^,]*[^,\\s])?=${ROLE}`,
    'pairs such as admins=ADMIN of a group and the role that it grants',
    { default: '' }
  ),
  USER_CLAIMS: list(
    '[\\x21-\\x2b\\x2d-\\x7e]{1,128}',
    'names of further claims of the ID token, for the session\'s user',
    { default: '' }
  ),
  RETURN_ORIGINS: list(
    ORIGIN,
    'origins such as https://investor.example.com, without a path and without a slash at the end, that returnTo may ' +
    'name and that may call the API from a browser',
    { default: '' }
  ),
  LOGOUT_URL: text('^https?://[^\\s]+$', 'the URL to which Cognito sends the browser after sign-out'),
  HOME_URL: text(
    `^(${ADDRESS}|${ROLE}=${ADDRESS}(,${ROLE}=${ADDRESS})*)$`,
    'one URL, or ROLE=URL pairs, comma-separated: where a sign-in without a return address ends'
  ),
  LOGOUT_URLS: list(
    'https?://[^\\s,]+', 'URLs that a sign-out may name in returnTo, each registered with the app client',
    { default: '' }
  ),
  VERIFY_HEADERS: text(
    '^(cashsouk|oauth2-proxy)$', 'cashsouk, or oauth2-proxy for its header names and routes as well',
    { default: 'cashsouk' }
  ),
  AUDIT: flag(
    false, 'record sign-ins, refusals, sign-outs and ended sessions in the log and in the table auth_event'
  ),
  AUDIT_DAYS: count(90, 1, 3650, 'days for which events of the audit trail are kept'),
  LOGIN_RATE_LIMIT: count(
    60, 0, 1_000_000, 'logins that one client address may start in a minute; 0 switches the limit off'
  ),

  METRICS_PORT: port('the port on which GET /metrics is served to Prometheus; 0: any free one'),

  HTTPS_PROXY: text('^(https?://)?[^\\s/?#]+/?$', 'the URL of the proxy for connections to Cognito, without a path'),
  NO_PROXY: text('', 'hosts that are connected to without HTTPS_PROXY')
}

type Name = keyof typeof variables

/** Those without a default that may be unset, and all that name a file. */
const OPTIONAL = [
  'NODE_ENV', 'HOST', 'COOKIE_DOMAIN', 'COGNITO_USER_POOL_ID', 'COGNITO_ISSUER', 'COGNITO_CLIENT_SECRET',
  'COGNITO_EVENTS_SECRET', 'OPEN_ROLES', 'LOGOUT_URL', 'HOME_URL', 'SESSION_LIMIT', 'HTTPS_PROXY', 'NO_PROXY',
  'DRAIN_SECONDS', 'METRICS_PORT'
] as const satisfies readonly Name[]

type FileName = Extract<Name, `${string}_FILE`>
type OptionalName = typeof OPTIONAL[number] | FileName

const isOptional = (name: string): boolean =>
  (OPTIONAL as readonly string[]).includes(name) || name.endsWith('_FILE')

/** The type to which environment.ts converts a variable. */
type ValueOf<Schema extends { type: keyof Converted }> = Schema extends { separator: string }
  ? string[]
  : Converted[Schema['type']]
interface Converted { string: string, integer: number, boolean: boolean }

type Required = { readonly [N in Exclude<Name, OptionalName>]: ValueOf<typeof variables[N]> }
type Optional = { readonly [N in OptionalName]?: ValueOf<typeof variables[N]> }

/** The variables after validation, with the defaults of the table. */
export type Variables = Required & Optional

/** The names of all variables. */
export const variableNames: readonly string[] = Object.keys(variables)

/** JSON Schema of the environment. */
export const environmentSchema = {
  type: 'object',
  additionalProperties: false,
  required: variableNames.filter((name) => !isOptional(name)),
  properties: variables
}

/** The checked configuration, named as the variables. `loadConfig` fills in what a variable leaves open. */
export interface Config extends Variables {
  readonly production: boolean
  /** Whether browsers reach the server over https. */
  readonly https: boolean
  readonly HOST: string
  /** 5 in production, 0 otherwise. */
  readonly DRAIN_SECONDS: number
  readonly OPEN_ROLES: string[]
  /** Without a trailing slash. */
  readonly COGNITO_ISSUER: string[]
  /** Empty for a public client. */
  readonly COGNITO_CLIENT_SECRET: string[]
  /** Empty: there is no such route. */
  readonly COGNITO_EVENTS_SECRET: string[]
  readonly LOGOUT_URL: string
  /** Where the routes of the sign-in are: `/api/auth`, or what the application has chosen. */
  readonly prefix: string
  /** `$PUBLIC_URL/api/auth/callback`. Never built from the request's `Host`. */
  readonly callbackUrl: string
}

/** What is wrong with a variable. Its value is never shown: it may be a secret. */
export interface Problem { name: string, reason: string }
