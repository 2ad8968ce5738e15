import fc from 'fast-check'
import { test } from 'tap'
import { loadConfig, variableNames, type Config } from '../../src/config.js'
import { anyString, holds } from '../support/properties.js'

const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)
/** A label that begins with `xn--` must be Punycode. */
const label = fc
  .stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
  .filter((text) => !text.startsWith('xn--'))
const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => [...labels, 'example'].join('.'))
const port = fc.oneof(fc.constant(''), fc.integer({ min: 1024, max: 65_535 }).map((number) => `:${number}`))
const origin = fc.oneof(
  fc.tuple(host, port).map(([name, number]) => `https://${name}${number}`),
  port.map((number) => `http://localhost${number}`)
)
const secret = fc.stringMatching(/^[A-Za-z0-9 +/=!-]{32,60}$/)
const seconds = fc.integer({ min: 1, max: 2_147_483 }).map(String)
const list = (item: fc.Arbitrary<string>, minLength = 0) =>
  fc.uniqueArray(item, { minLength, maxLength: 4 }).map((items) => items.join(','))

/** Valid values of each variable. */
const VALID: Record<string, fc.Arbitrary<string>> = {
  NODE_ENV: fc.constantFrom('production', 'development', 'test'),
  HOST: fc.constantFrom('0.0.0.0', '127.0.0.1', '::', 'localhost'),
  PORT: fc.integer({ min: 0, max: 65_535 }).map(String),
  LOG_LEVEL: fc.constantFrom('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  PUBLIC_URL: origin,
  TRUST_PROXY: list(fc.oneof(
    fc.ipV4(),
    fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 32 })).map(([address, bits]) => `${address}/${bits}`),
    fc.constantFrom('::1', 'fd00::/8')
  )),
  DATABASE_URL: fc.tuple(word, word, host, word)
    .map(([user, password, name, database]) => `postgres://${user}:${password}@${name}:5432/${database}`),
  DATABASE_POOL_MAX: fc.integer({ min: 1, max: 1000 }).map(String),
  SESSION_SECRET: list(secret, 1),
  SESSION_TTL: seconds,
  SESSION_ABSOLUTE_TTL: seconds,
  SESSION_TOUCH_INTERVAL: seconds,
  SESSION_PRUNE_INTERVAL: seconds,
  SESSION_HASH_IDS: fc.constantFrom('true', 'false'),
  LOGIN_TTL: seconds,
  COOKIE_NAME: fc.stringMatching(/^[A-Za-z0-9.-]{1,40}$/),
  COGNITO_USER_POOL_ID: fc.stringMatching(/^(eu|us|ap)-(west|east|central)-[1-9]_[A-Za-z0-9]{9}$/),
  COGNITO_ISSUER: list(fc.tuple(origin, word).map(([at, path]) => `${at}/${path}`), 1),
  COGNITO_DOMAIN: origin,
  COGNITO_CLIENT_ID: word,
  COGNITO_CLIENT_SECRET: fc.array(fc.stringMatching(/^[!-+\x2d-~]{1,60}$/), { minLength: 1, maxLength: 2 })
    .map((secrets) => secrets.join(',')),
  COGNITO_SCOPES: fc.uniqueArray(word).map((scopes) => ['openid', ...scopes].join(' ')),
  RETURN_ORIGINS: list(fc.tuple(host, fc.integer({ min: 1024, max: 65_535 }))
    .map(([name, number]) => `https://${name}:${number}`)),
  LOGOUT_URL: fc.tuple(origin, word).map(([at, path]) => `${at}/${path}?x=y#z`),
  HOME_URL: fc.tuple(origin, word).map(([at, path]) => `${at}/${path}?x=y#z`),
  LOGIN_RATE_LIMIT: fc.integer({ min: 0, max: 1_000_000 }).map(String),
  ROLE_CLAIM: word.map((name) => `custom:${name}`),
  USER_CLAIMS: list(word.map((name) => `custom:${name}`)),
  HTTPS_PROXY: fc.tuple(host, port).map(([name, number]) => `http://${name}${number}`),
  NO_PROXY: list(host)
}
const REQUIRED = [
  'PUBLIC_URL', 'DATABASE_URL', 'SESSION_SECRET', 'COGNITO_ISSUER', 'COGNITO_DOMAIN',
  'COGNITO_CLIENT_ID', 'COGNITO_CLIENT_SECRET'
]
/** `OPEN_ROLES` is a subset of `ROLES`. */
const roles = fc
  .uniqueArray(word, { minLength: 1, maxLength: 5 })
  .chain((all) =>
    fc.record({
      ROLES: fc.constant(all.join(',')),
      OPEN_ROLES: fc.subarray(all).map((open) => open.join(',')),
      ROLE_MAP: list(fc.tuple(word, fc.constantFrom(...all)).map((pair) => pair.join('=')))
    })
  )
const valid = fc.tuple(
  fc.record(VALID, { requiredKeys: REQUIRED }), fc.option(roles, { nil: {} })
).map(([variables, both]): Record<string, string> => ({ ...variables, ...both }))

/** Malformed, nearly valid and hostile values. */
const odd = fc.oneof(
  anyString(60), fc.constantFrom(
    '', ' ', '0', '-1', '1e3', '0x10', ' 5', '5 ', '99999999999', '1.5', 'NaN', 'true ', 'TRUE',
    'yes', 'null', 'undefined', '__proto__', 'constructor', ',', ',,', 'a,,b',
    'https://', 'http://example.com', 'https://user:word@example.com', 'https://example.com/path',
    'https://example.com:99999', 'https://[::1', 'https://EXAMPLE.com', 'javascript:alert(1)',
    '//example.com',
    'postgres://', 'postgres://%', 'postgres://user:pa%ss@host/db',
    'postgres://host/db?sslrootcert=/nowhere', '__Host-x', '__Secure-x', '.example', 'example..com',
    '10.0.0.0/33', '::/129', '1.2.3.4/0',
    '$HOME', '${PATH}', '\u0000', '\r\nSESSION_SECRET=x', 'a\nb', '%s%s%s', '%o%j'
  ),
  fc.oneof(...Object.values(VALID))
)
const any = fc
  .tuple(
    valid,
    fc.dictionary(fc.oneof(fc.constantFrom(...variableNames), word), odd, { maxKeys: 6 }),
    fc.subarray([...variableNames], { maxLength: 3 })
  )
  .map(([base, changes, dropped]) => {
    const env: Record<string, string> = { ...base, ...changes }
    return Object.fromEntries(Object.entries(env).filter(([name]) => !dropped.includes(name)))
  })

test('each line of a configuration error names a variable', async () => {
  await holds(fc.property(any, (env) => {
    const before = JSON.stringify(env)
    let config: Config
    try {
      config = loadConfig(env)
    } catch (error) {
      const { code, message } = error as { code?: string, message: string }
      const [title, ...lines] = message.split('\n')
      return (
        code === 'ERR_CONFIG' &&
        title === 'Invalid configuration:' &&
        lines.length > 0 &&
        lines.every((line) => variableNames.includes(line.split(' ')[0] ?? '')) &&
        new Set(lines).size === lines.length &&
          JSON.stringify(env) === before
      )
    }
    return (
      Object.isFrozen(config) &&
      config.SESSION_SECRET.length > 0 &&
      config.SESSION_SECRET.every((each) => each.length >= 32) &&
      config.callbackUrl.startsWith(config.PUBLIC_URL)
    )
  }))
})

test('the error shows no secret', async () => {
  await holds(fc.property(any, fc.stringMatching(/^[a-z]{12}$/), (env, mark) => {
    const secrets = {
      SESSION_SECRET: `short-${mark}`,
      COGNITO_CLIENT_SECRET: `with a blank ${mark}`,
      DATABASE_URL: `postgres://user:${mark}%@host/db`
    }
    try {
      loadConfig({ ...env, ...secrets })
      return false
    } catch (error) {
      return !(error as Error).message.includes(mark)
    }
  }))
})

test('every valid configuration is loaded as given', async () => {
  await holds(fc.property(valid, (env) => {
    const config = loadConfig(env)
    return (
      REQUIRED.every((name) => String(config[name as keyof Config]) === env[name]) &&
      config.production === (env.NODE_ENV === 'production') &&
      (env.PORT === undefined || config.PORT === Number(env.PORT)) &&
      config.OPEN_ROLES.every((role) => config.ROLES.includes(role))
    )
  }))
})
