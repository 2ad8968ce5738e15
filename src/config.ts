/**
 * The configuration: the environment, validated, completed and frozen.
 *
 * @module
 */
import { contradictions } from './config-checks.js'
import { environmentErrors, environmentOf } from './environment.js'
import { ERR_CONFIG } from './errors.js'
import { poolIssuers } from './login/issuers.js'
import { AUTH_PREFIX, callbackPath } from './login/paths.js'
import { isSameServer } from './secrets/same-server.js'
import { fillFromFiles, type SecretFile } from './secrets/secret-sources.js'
import type { SecretSource } from './secrets/secret-watch.js'
import { parseUrl } from './url.js'
import { variableNames, variables, type Config, type Problem, type Variables } from './variables.js'

export { variableNames, type Config } from './variables.js'

const DEFAULT_OPEN_ROLES = ['INVESTOR', 'ISSUER']

/** Lists that count as unset when they are empty, as other variables do. */
const NEVER_EMPTY = new Set(['SESSION_SECRET', 'COGNITO_ISSUER', 'COGNITO_CLIENT_SECRET', 'COGNITO_EVENTS_SECRET'])

/** Take the place of required variables that are missing or malformed while the others are checked. Never returned. */
const PLACEHOLDERS = {
  PUBLIC_URL: 'https://placeholder.invalid',
  DATABASE_URL: 'postgres://placeholder.invalid',
  SESSION_SECRET: 'x'.repeat(32),
  COGNITO_DOMAIN: 'https://placeholder.invalid',
  COGNITO_CLIENT_ID: 'placeholder'
}

/** With a pool of the application's own. */
const NO_DATABASE = { DATABASE_URL: PLACEHOLDERS.DATABASE_URL, DATABASE_URL_FILE: '', DATABASE_AUTH: '' }

export interface LoadOptions {
  /** Of the sign-in's routes, with the prefix of the scope that they are in. */
  prefix?: string
  /** The application has a pool of its own: no DATABASE_URL is needed, and none is used. */
  ownPool?: boolean
  /** What a problem's line becomes, for readers who know the variables under other names. */
  naming?: (line: string) => string
}

/** Those of configurations with secrets in files. */
const sources = new WeakMap<Config, SecretSource>()

/** The secrets of a configuration that come from files; undefined if there are none. */
export const secretSourceOf = (config: Config): SecretSource | undefined => sources.get(config)

/**
 * Reads and checks the configuration. What a file holds in place of a variable is read now; its property of the
 * configuration changes with the file, as far as a `SecretWatch` looks at it.
 *
 * @param env `process.env`, or a literal in a test. An empty variable counts as unset, except for a list.
 * @throws {ERR_CONFIG} with a line for every variable that is missing, malformed or contradicts another.
 */
export function loadConfig (env: NodeJS.ProcessEnv, options: LoadOptions = {}): Config {
  const { prefix = AUTH_PREFIX, ownPool = false, naming = (text) => text } = options
  const filled = fillFromFiles(ownPool ? { ...env, ...NO_DATABASE } : env, variableNames)
  const { config, problems } = examine(filled.env, prefix, filled.problems)
  if (problems.length > 0) {
    const lines = new Set(problems.map(({ name, reason }) => {
      const path = filled.files.get(name)?.path
      return naming(`${name} ${reason}`) + (path === undefined ? '' : ` (read from ${path})`)
    }))
    throw new ERR_CONFIG([...lines].join('\n'))
  }
  for (const value of Object.values(config)) {
    if (Array.isArray(value)) Object.freeze(value)
  }
  if (filled.files.size > 0) follow(config, filled.files, filled.env, prefix)
  return Object.freeze(config)
}

/** The configuration, and all that is wrong with it: reported together, not one per start. */
function examine (
  env: NodeJS.ProcessEnv, prefix: string, found: readonly Problem[] = []
): { config: Config, problems: Problem[] } {
  const given = withDefaults(env)
  const unread = new Set(found.flatMap(({ name }) => [name, name.replace(/_FILE$/, '')]))
  const problems = [...found, ...schemaProblems(given).filter(({ name }) => !unread.has(name))]
  const malformed = new Set([...unread, ...problems.map(({ name }) => name)])
  const wellFormed = Object.entries(given).filter(([name]) => !malformed.has(name))
  const config = derive(environmentOf({ ...PLACEHOLDERS, ...Object.fromEntries(wellFormed) }), prefix)
  problems.push(...contradictions(config, malformed))
  return { config, problems }
}

/** Makes the values that come from files change with them, each by the rules of the start. */
function follow (
  config: Config, files: ReadonlyMap<string, SecretFile>, env: NodeJS.ProcessEnv, prefix: string
): void {
  const values: Record<string, unknown> = {}
  const texts = { ...env }
  for (const name of files.keys()) {
    values[name] = config[name as keyof Config]
    Object.defineProperty(config, name, { enumerable: true, get: () => values[name] })
  }
  sources.set(config, {
    files,
    replace (variable, text) {
      const next = examine({ ...texts, [variable]: text }, prefix)
      const problem = next.problems.find(({ name }) => name === variable)
      if (problem !== undefined) throw new Error(problem.reason)
      if (variable === 'DATABASE_URL' && !isSameServer(config.DATABASE_URL, text)) {
        throw new Error('names another server, database or parameter: only the user name and the password may change ' +
          'while the server runs')
      }
      const value = next.config[variable as keyof Config]
      values[variable] = Array.isArray(value) ? Object.freeze(value) : value
      texts[variable] = text
    }
  })
}

function withDefaults (env: NodeJS.ProcessEnv): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [name, schema] of Object.entries(variables)) {
    const value = env[name]
    const mayBeEmpty = 'separator' in schema && !NEVER_EMPTY.has(name)
    if (value !== undefined && (value !== '' || mayBeEmpty)) given[name] = value
  }
  // Other programs accept these in lower case, too, and some only so.
  for (const name of ['HTTPS_PROXY', 'NO_PROXY']) {
    const value = env[name.toLowerCase()] ?? ''
    if (value !== '') given[name] ??= value
  }
  if (given.NODE_ENV !== 'production') given.PUBLIC_URL ??= localUrl(given.PORT ?? '3000')
  return given
}

const localUrl = (port: string): string => parseUrl(`http://localhost:${port}`)?.origin ?? 'http://localhost:3000'

function schemaProblems (given: Record<string, string>): Problem[] {
  const problems = malformedNumbers(given)
  const names = problems.map(({ name }) => name)
  for (const { instancePath, keyword, params } of environmentErrors(given)) {
    const isMissing = keyword === 'required'
    const name = isMissing ? params.missingProperty : instancePath.slice(1)
    const reason = `${isMissing ? 'is missing: it is' : 'must be'} ${meaning(name)}`
    if (!names.includes(name)) problems.push({ name, reason })
  }
  return problems
}

/** Numbers in another notation: the schema's coercion accepts `1e3`, ` 5` and `0x10`. */
function malformedNumbers (given: Record<string, string>): Problem[] {
  return Object.entries(variables)
    .filter(([name, { type }]) => type === 'integer' && !/^\d{1,10}$/.test(given[name] ?? '0'))
    .map(([name]) => ({ name, reason: `must be ${meaning(name)}` }))
}

const meaning = (name: string): string => {
  const schema = (variables as Partial<Record<string, { description: string }>>)[name]
  return schema?.description ?? 'well-formed'
}

function derive (values: Variables, prefix: string): Config {
  const production = values.NODE_ENV === 'production'
  const publicUrl = withoutSlash(values.PUBLIC_URL)
  const logoutUrl = values.LOGOUT_URL ?? `${publicUrl}/`
  const proxy = values.HTTPS_PROXY
  return {
    ...values,
    production,
    https: publicUrl.startsWith('https:'),
    HOST: values.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    DRAIN_SECONDS: values.DRAIN_SECONDS ?? (production ? 5 : 0),
    PUBLIC_URL: publicUrl,
    OPEN_ROLES: values.OPEN_ROLES ?? DEFAULT_OPEN_ROLES.filter((role) => values.ROLES.includes(role)),
    COGNITO_DOMAIN: withoutSlash(values.COGNITO_DOMAIN),
    COGNITO_ISSUER: issuers(values),
    COGNITO_CLIENT_SECRET: values.COGNITO_CLIENT_SECRET ?? [],
    COGNITO_EVENTS_SECRET: values.COGNITO_EVENTS_SECRET ?? [],
    ...(proxy === undefined ? {} : { HTTPS_PROXY: withoutSlash(proxy.includes('://') ? proxy : `http://${proxy}`) }),
    LOGOUT_URL: logoutUrl,
    LOGOUT_URLS: values.LOGOUT_URLS.length === 0 ? [logoutUrl] : values.LOGOUT_URLS,
    prefix,
    callbackUrl: publicUrl + callbackPath(prefix)
  }
}

/** The issuers of the variables, each once. Cognito's have no trailing slash, and the issuer is compared exactly. */
function issuers ({ COGNITO_ISSUER, COGNITO_USER_POOL_ID: poolId }: Variables): string[] {
  if (COGNITO_ISSUER !== undefined) return [...new Set(COGNITO_ISSUER.map((url) => url.replace(/\/+$/, '')))]
  return poolId === undefined ? [] : poolIssuers(poolId)
}

const withoutSlash = (origin: string): string => origin.endsWith('/') ? origin.slice(0, -1) : origin
