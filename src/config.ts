/**
 * Every environment variable the server reads, once: its name, form, default and meaning.
 *
 * @module
 */
import envSchema from 'env-schema'
import { Type, type Static } from 'typebox'
import { contradictions } from './config-checks.js'
import { ERR_CONFIG } from './errors.js'
import { parseUrl } from './url.js'

/** Ten years: longer lifetimes are taken for a typing error. */
const MAX_SECONDS = 315_360_000
/** The longest delay of a Node.js timer, in seconds. */
const MAX_TIMER_SECONDS = 2_147_483

const Seconds = (fallback: number, meaning: string, maximum = MAX_SECONDS) =>
  Type.Integer({ minimum: 1, maximum, default: fallback, description: `a whole number of seconds from 1 to ${maximum}: ${meaning}` })

const Count = (fallback: number, minimum: number, maximum: number, meaning: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description: `a whole number from ${minimum} to ${maximum}: ${meaning}` })

const Text = (pattern: string, meaning: string, options: { default?: string } = {}) =>
  Type.String({ pattern, description: meaning, ...options })

/** A comma-separated variable; `separator` is env-schema's own keyword. */
const List = (item: string, meaning: string, options: { default?: string } = {}) =>
  Type.Unsafe<string[]>({ type: 'string', separator: ',', pattern: `^(${item}(,${item})*)?$`, description: `a comma-separated list: ${meaning}`, ...options })

const ROLE = '[A-Za-z0-9_-]{1,64}'
const ORIGIN = 'https?://[A-Za-z0-9.:_\\[\\]-]+'
const URL_ORIGIN = `^${ORIGIN}/?$`

const Variables = Type.Object({
  NODE_ENV: Type.Optional(Text('', '"production" switches every stand-in off')),
  HOST: Type.Optional(Text('^[A-Za-z0-9.:_-]+$', 'the address to listen on')),
  PORT: Count(3000, 0, 65_535, 'the port to listen on; 0: any free one'),
  LOG_LEVEL: Text('^(fatal|error|warn|info|debug|trace|silent)$', 'fatal, error, warn, info, debug, trace or silent', { default: 'info' }),
  PUBLIC_URL: Text(URL_ORIGIN, 'the origin at which browsers reach the server, such as https://auth.example.com, without a path'),
  TRUST_PROXY: List('[0-9A-Fa-f.:/]+', 'addresses or CIDRs of the load balancer whose X-Forwarded-* headers are believed', { default: '' }),

  DATABASE_URL: Text('^postgres(ql)?://', 'a PostgreSQL connection string, postgres://user:password@host:5432/database'),
  DATABASE_POOL_MAX: Count(10, 1, 1000, 'connections per process'),
  DATABASE_PREPARED_STATEMENTS: Type.Boolean({ default: false, description: 'true or false: statements are planned once a connection; for direct connections and PgBouncer from 1.21' }),

  SESSION_SECRET: List('[^,]{32,}', 'secrets of at least 32 characters each; the first signs, all verify'),
  SESSION_TTL: Seconds(900, 'idle lifetime of a signed-in session'),
  SESSION_ABSOLUTE_TTL: Seconds(43_200, 'lifetime of a signed-in session whatever its use'),
  SESSION_TOUCH_INTERVAL: Seconds(60, 'a session\'s expiry is moved at most once in this time'),
  SESSION_PRUNE_INTERVAL: Seconds(60, 'expired rows are removed this often', MAX_TIMER_SECONDS),
  SESSION_HASH_IDS: Type.Boolean({ default: true, description: 'true or false: store only a keyed hash of the session id' }),
  LOGIN_TTL: Seconds(900, 'how long a started login may take'),
  COOKIE_NAME: Text('^[A-Za-z0-9!#$%&\'*+.^_`|~-]{1,100}$', 'a cookie name of at most 100 characters', { default: 'cashsouk.sid' }),
  COOKIE_DOMAIN: Type.Optional(Text('^\\.?[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*$', 'a domain name')),

  COGNITO_USER_POOL_ID: Type.Optional(Text('^[a-z]{2,}(-[a-z]+)+-[0-9]+_[A-Za-z0-9]+$', 'a user pool id, such as eu-west-1_AbCdEfGhI')),
  COGNITO_ISSUER: Type.Optional(Text('^https?://[^?#@\\s]+$', 'the issuer\'s URL')),
  COGNITO_DOMAIN: Text(URL_ORIGIN, 'the origin of the user pool\'s domain, such as https://example.auth.eu-west-1.amazoncognito.com'),
  COGNITO_CLIENT_ID: Text('^[\\x21-\\x7e]+$', 'the app client\'s id'),
  COGNITO_CLIENT_SECRET: Text('^[\\x21-\\x7e]+$', 'the app client\'s secret'),
  COGNITO_SCOPES: Text('^[\\x21-\\x7e]+( [\\x21-\\x7e]+)*$', 'scopes separated by single spaces', { default: 'openid email profile' }),

  ROLES: List(ROLE, 'the roles a login may ask for', { default: 'INVESTOR,ISSUER,ADMIN' }),
  OPEN_ROLES: Type.Optional(List(ROLE, 'the roles of ROLES that anyone signed in may have')),
  RETURN_ORIGINS: List(ORIGIN, 'origins such as https://investor.example.com that returnTo may name and that may call the API from a browser', { default: '' }),
  LOGOUT_URL: Type.Optional(Text('^https?://[^\\s]+$', 'the URL to which Cognito sends the browser after sign-out')),
  LOGIN_RATE_LIMIT: Count(60, 0, 1_000_000, 'logins that one client address may start in a minute; 0 switches the limit off')
})

/** The names of all variables, for the tests that hold documents and containers to them. */
export const variableNames: readonly string[] = Object.keys(Variables.properties)

const DEFAULT_OPEN_ROLES = ['INVESTOR', 'ISSUER']

/** The checked configuration, named as the variables; what a variable leaves open is filled in. */
export interface Config extends Readonly<Static<typeof Variables>> {
  readonly production: boolean
  /** Whether browsers reach the server over https. */
  readonly https: boolean
  readonly HOST: string
  readonly OPEN_ROLES: string[]
  readonly COGNITO_ISSUER: string
  readonly LOGOUT_URL: string
  /** `$PUBLIC_URL/api/auth/callback`: never built from the request's `Host`. */
  readonly callbackUrl: string
}

/**
 * Reads and checks the configuration.
 *
 * @param env `process.env`, or a literal in a test. An empty variable counts as unset, save for a list.
 * @throws {ERR_CONFIG} with a line for every variable that is missing, malformed or contradicts another.
 */
export function loadConfig (env: NodeJS.ProcessEnv): Config {
  const given = withDefaults(env)
  const problems = [...malformed(given), ...schemaProblems(given)]
  const bad = new Set(problems.map(({ name }) => name))
  // What can be said of the rest is said at once, so that nobody mends one line a start.
  const rest = Object.fromEntries(Object.entries({ ...PLACEHOLDERS, ...given }).filter(([name]) => !bad.has(name)))
  const config = derive(validate({ ...PLACEHOLDERS, ...rest }))
  problems.push(...contradictions(config, bad))
  if (problems.length > 0) throw new ERR_CONFIG(problems.map(({ name, reason }) => `${name} ${reason}`).join('\n'))
  for (const value of Object.values(config)) if (Array.isArray(value)) Object.freeze(value)
  return Object.freeze(config)
}

/** Stand where a required variable is missing or malformed, while the others are checked. Never returned. */
const PLACEHOLDERS = {
  PUBLIC_URL: 'https://placeholder.invalid',
  DATABASE_URL: 'postgres://placeholder.invalid',
  SESSION_SECRET: 'x'.repeat(32),
  COGNITO_DOMAIN: 'https://placeholder.invalid',
  COGNITO_CLIENT_ID: 'placeholder',
  COGNITO_CLIENT_SECRET: 'placeholder'
}

/** What is wrong with one variable. The value is not shown: it may be a secret. */
export interface Problem { name: string, reason: string }

interface SchemaError extends Error {
  errors?: { instancePath: string, keyword: string, params: { missingProperty?: string } }[]
}

function withDefaults (env: NodeJS.ProcessEnv): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [name, schema] of Object.entries(Variables.properties)) {
    const value = env[name]
    if (value === undefined || (value === '' && (!('separator' in schema) || name === 'SESSION_SECRET'))) continue
    given[name] = value
  }
  if (given.NODE_ENV !== 'production') given.PUBLIC_URL ??= parseUrl(`http://localhost:${given.PORT ?? '3000'}`)?.origin ?? 'http://localhost:3000'
  return given
}

/** @throws what env-schema throws, with ajv's `errors`. */
const validate = (given: Record<string, string>): Static<typeof Variables> =>
  envSchema<Static<typeof Variables>>({ schema: SCHEMA, data: given, env: false })

/** env-schema writes into the schema it is given; one object is compiled once. */
const SCHEMA = structuredClone(Variables)

/** Numbers must be written as such: `1e3`, ` 5` and `0x10` would pass the schema's coercion. */
function malformed (given: Record<string, string>): Problem[] {
  return Object.entries(Variables.properties)
    .filter(([name, schema]) => (schema as { type?: string }).type === 'integer' && given[name] !== undefined && !/^\d{1,10}$/.test(given[name]))
    .map(([name]) => ({ name, reason: `must be ${meaning(name)}` }))
}

function schemaProblems (given: Record<string, string>): Problem[] {
  try {
    validate(given)
    return []
  } catch (error) {
    const { errors } = error as SchemaError
    if (errors === undefined) throw error
    const names = malformed(given).map(({ name }) => name)
    return errors.map(({ instancePath, keyword, params }) => {
      const missing = keyword === 'required'
      const name = missing ? params.missingProperty ?? '' : instancePath.slice(1)
      return { name, reason: `${missing ? 'is missing: it is' : 'must be'} ${meaning(name)}` }
    }).filter(({ name }) => !names.includes(name))
  }
}

const meaning = (name: string): string => {
  const schema = (Variables.properties as Record<string, { description?: string }>)[name]
  return schema?.description ?? 'well-formed'
}

function derive (values: Static<typeof Variables>): Config {
  const production = values.NODE_ENV === 'production'
  const publicUrl = withoutSlash(values.PUBLIC_URL)
  return {
    ...values,
    production,
    https: publicUrl.startsWith('https:'),
    HOST: values.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    PUBLIC_URL: publicUrl,
    OPEN_ROLES: values.OPEN_ROLES ?? DEFAULT_OPEN_ROLES.filter((role) => values.ROLES.includes(role)),
    COGNITO_DOMAIN: withoutSlash(values.COGNITO_DOMAIN),
    COGNITO_ISSUER: values.COGNITO_ISSUER ?? poolIssuer(values.COGNITO_USER_POOL_ID ?? ''),
    RETURN_ORIGINS: values.RETURN_ORIGINS,
    LOGOUT_URL: values.LOGOUT_URL ?? `${publicUrl}/`,
    callbackUrl: `${publicUrl}/api/auth/callback`
  }
}

/** The issuer of a user pool: {@link https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html}. */
const poolIssuer = (poolId: string): string =>
  poolId === '' ? '' : `https://cognito-idp.${poolId.slice(0, poolId.indexOf('_'))}.amazonaws.com/${poolId}`

const withoutSlash = (origin: string): string => origin.endsWith('/') ? origin.slice(0, -1) : origin
