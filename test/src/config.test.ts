import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'
import { loadConfig, variableNames } from '../../src/config.js'

/** The variables that production requires. */
const required = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://user:pass-word@database.example.com:5432/auth',
  SESSION_SECRET: 'a secret of a test and of nothing else',
  PUBLIC_URL: 'https://auth.example.com',
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
  COGNITO_CLIENT_ID: '1example23456789',
  COGNITO_CLIENT_SECRET: 'client-secret-of-a-test'
}

/** The variables that are required outside production without the local development services. */
const { NODE_ENV: _production, PUBLIC_URL: _publicUrl, ...development } = required

/** The lines of the error, each of which begins with a variable. */
function problemsOf (t: Test, env: NodeJS.ProcessEnv): string[] {
  const error = refusalOf(t, env)
  const [title, ...lines] = error.message.split('\n')
  t.equal(title, 'Invalid configuration:')
  return lines
}

function refusalOf (t: Test, env: NodeJS.ProcessEnv): Error {
  try {
    loadConfig(env)
  } catch (error) {
    t.match(error, { code: 'ERR_CONFIG' })
    return error as Error
  }
  throw new Error('the configuration was accepted')
}

const namesIn = (lines: string[]): string[] => lines.map((line) => line.split(' ')[0] ?? '')

test('optional variables have defaults outside production', (t) => {
  t.same(loadConfig(development), {
    ...development,
    prefix: '/api/auth',
    production: false, https: false,
    HOST: '127.0.0.1',
    DRAIN_SECONDS: 0,
    PORT: 3000,
    LOG_LEVEL: 'info',
    PUBLIC_URL: 'http://localhost:3000',
    TRUST_PROXY: [],
    DATABASE_AUTH: 'password',
    DATABASE_POOL_MAX: 10,
    DATABASE_PREPARED_STATEMENTS: false,
    SESSION_SECRET: [required.SESSION_SECRET],
    SESSION_TTL: 900,
    SESSION_ABSOLUTE_TTL: 43_200,
    SESSION_TOUCH_INTERVAL: 60,
    SESSION_PRUNE_INTERVAL: 60,
    SESSION_HASH_IDS: true,
    SESSION_LIMIT_ACTION: 'end-oldest',
    SESSION_END_COMMIT: 'default',
    ACCOUNT_PAGE: true,
    LOGIN_TTL: 900,
    COOKIE_NAME: 'cashsouk.sid',
    COOKIE_LIFETIME: 'idle',
    DEVICE_BOUND_SESSIONS: 'off',
    COGNITO_ISSUER: [
      'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI',
      'https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI'
    ],
    COGNITO_CLIENT_SECRET: [required.COGNITO_CLIENT_SECRET],
    COGNITO_EVENTS_SECRET: [],
    COGNITO_SCOPES: 'openid email profile',
    ROLES: ['INVESTOR', 'ISSUER', 'ADMIN'],
    OPEN_ROLES: ['INVESTOR', 'ISSUER'],
    ROLE_CLAIM: 'cognito:groups',
    ROLE_MAP: [],
    USER_CLAIMS: [],
    RETURN_ORIGINS: [],
    LOGOUT_URL: 'http://localhost:3000/',
    LOGOUT_URLS: ['http://localhost:3000/'],
    ROLE_LABELS: [],
    AUDIT: false,
    AUDIT_DAYS: 90,
    LOGIN_RATE_LIMIT: 60,
    VERIFY_HEADERS: 'cashsouk',
    callbackUrl: 'http://localhost:3000/api/auth/callback'
  })
  t.end()
})

test('production listens on all addresses and drains by default', (t) => {
  const {
    NODE_ENV: _env,
    production,
    https,
    HOST,
    DRAIN_SECONDS,
    PUBLIC_URL: _url,
    LOGOUT_URL: _logout,
    LOGOUT_URLS: _logouts,
    callbackUrl: _callback,
    ...rest
  } = loadConfig(required)
  const {
    NODE_ENV: _none,
    production: _no,
    https: _https,
    HOST: _host,
    DRAIN_SECONDS: _drain,
    PUBLIC_URL: _u,
    LOGOUT_URL: _l,
    LOGOUT_URLS: _ls,
    callbackUrl: _c,
    ...other
  } = loadConfig(development)

  t.same({ production, https, HOST, DRAIN_SECONDS }, {
    production: true, https: true, HOST: '0.0.0.0', DRAIN_SECONDS: 5
  })
  t.equal(loadConfig({ ...required, DRAIN_SECONDS: '0' }).DRAIN_SECONDS, 0)
  t.same(rest, other)
  t.end()
})

test('only the exact word production enables production', (t) => {
  for (const NODE_ENV of ['Production', 'prod', 'production ', 'staging', '']) {
    t.equal(loadConfig({ ...required, NODE_ENV }).production, false, JSON.stringify(NODE_ENV))
  }
  t.end()
})

test('every missing variable is listed', (t) => {
  const lines = problemsOf(t, { NODE_ENV: 'production' })

  t.same(namesIn(lines).sort(), [
    'COGNITO_CLIENT_ID', 'COGNITO_DOMAIN', 'COGNITO_USER_POOL_ID',
    'DATABASE_URL', 'PUBLIC_URL', 'SESSION_SECRET'
  ])
  for (const line of lines) t.match(line, / is missing: /)
  t.end()
})

for (const name of Object.keys(required).filter((name) => !['NODE_ENV', 'COGNITO_CLIENT_SECRET'].includes(name))) {
  test(`a missing ${name} is listed alone`, (t) => {
    const { [name as 'PUBLIC_URL']: _dropped, ...others } = required
    const lines = problemsOf(t, others)
    t.same(namesIn(lines), [name])
    t.match(lines[0], / is missing: /)
    t.end()
  })

  test(`an empty ${name} counts as missing`, (t) => {
    const lines = problemsOf(t, { ...required, [name]: '' })
    t.same(namesIn(lines), [name])
    t.end()
  })
}

test('without COGNITO_CLIENT_SECRET the app client is a public one', (t) => {
  const { COGNITO_CLIENT_SECRET: _secret, ...others } = required
  t.same(loadConfig(others).COGNITO_CLIENT_SECRET, [])
  t.same(loadConfig({ ...others, COGNITO_CLIENT_SECRET: '' }).COGNITO_CLIENT_SECRET, [])
  t.end()
})

test('COGNITO_CLIENT_SECRET may be two secrets', (t) => {
  t.same(loadConfig({ ...required, COGNITO_CLIENT_SECRET: 'one,two' }).COGNITO_CLIENT_SECRET, ['one', 'two'])
  t.end()
})

test('COGNITO_ISSUER replaces COGNITO_USER_POOL_ID', (t) => {
  const { COGNITO_USER_POOL_ID: _poolId, ...others } = required
  t.same(
    loadConfig({ ...others, COGNITO_ISSUER: 'https://issuer.example.com/pool' }).COGNITO_ISSUER,
    ['https://issuer.example.com/pool']
  )
  t.end()
})

test('COGNITO_ISSUER may be a list, and loses trailing slashes', (t) => {
  t.same(
    loadConfig({
      ...required, COGNITO_ISSUER: 'https://a.example.com/pool/,https://b.example.com,https://a.example.com/pool'
    }).COGNITO_ISSUER,
    ['https://a.example.com/pool', 'https://b.example.com']
  )
  t.end()
})

const long = (length: number) => 'x'.repeat(length)

/** Not whole numbers from 1; `01` would be one. */
const noCounts = [
  '-1', '1.5', '1e3', ' 5', '5 ', 'abc', '0x10', '+5', '1_000', '99999999999', '9'.repeat(400),
  'Infinity', 'NaN', 'true', '60s', '٣'
]
const durations = [
  'SESSION_TTL', 'SESSION_ABSOLUTE_TTL', 'SESSION_TOUCH_INTERVAL', 'SESSION_PRUNE_INTERVAL',
  'LOGIN_TTL'
]
const noOrigins = [
  'souk.example', 'ftp://souk.example', 'https://', '//souk.example', 'https://souk.example/path',
  'https://souk.example//',
  'https://souk.example?query=x', 'https://souk.example#hash', 'https://user@souk.example',
  'https://user:hidden@souk.example',
  ' https://souk.example', 'https://souk.exa mple', 'https://souk.example:99999', 'https://souk.example:port',
  'http://souk.example', 'http://10.0.0.1', 'http://0.0.0.0:3000', 'http://127.0.0.1.example.com',
  'http://localhost.example.com', 'http://[::2]',
  'javascript:alert(1)'
]
/** Well-formed, but never the form of an `Origin` header. */
const unusualOrigins = [
  'https://Souk.Example', 'HTTPS://souk.example', 'https://souk.example:443', 'http://127.1:3000',
  'https://bücher.example.com'
]

const malformed: Record<string, string[]> = {
  HOST: ['a b', 'http://x', '[::1]', '127.0.0.1/8'],
  PORT: [...noCounts, '65536'],
  LOG_LEVEL: ['verbose', 'INFO', 'info,debug', ' warn'],
  PUBLIC_URL: [...noOrigins, ...unusualOrigins],
  TRUST_PROXY: [
    'true', '1', 'loopback', '10.0.0.0/33', '10.0.0/8', '256.0.0.1', '10.1.2.3/', '10.0.0.0/8/8',
    '/8', '10.0.0.0/0', '::/0', '::1/129', '10.0.0.1,', '10.0.0.1, 10.0.0.2',
    '10.0.0.0/255.0.0.0.0', '10.0.0.0-10.0.0.9', '*'
  ],
  DATABASE_URL: [
    'mysql://user:hidden@host/db', 'host=127.0.0.1 password=hidden', 'postgres:host',
    'POSTGRES://host/db', ' postgres://host/db', 'postgres://user:hid den@ho st/db',
    'postgres://host:port/db', 'postgres://app:hidden@kitten@host/db', 'postgres://app:1@hidden/kitten@host/db',
    'postgres://app:1/hidden@host/db', 'postgres://app:1#hidden@host/db', 'postgres://app:1@hidden#kitten@host/db',
    'postgres://app:1?hidden@host/db', 'postgres://app:hidden%fe@host/db', 'postgres://app:hidden@host:65536/db',
    'postgres://app:hidden@host/db%', 'postgres://app:hidden@ho$t/db', 'postgres://app:hidden@host/db#fragment',
    'postgres://app:hidden@a:5432,b:5432/db?target_session_attrs=standby', 'postgres://app:hidden@a,,b/db',
    'postgres://app:hidden@/db?host=a,b&port=1,2,3', 'postgres://app:hidden@host/db?scramMaxIterations=many'
  ],
  DATABASE_AUTH: ['iam', 'RDS-IAM', 'password,rds-iam', 'rds-iam\n'],
  DATABASE_POOL_MAX: [...noCounts, '0', '1001'],
  SESSION_SECRET: [
    long(31), `${long(32)},${long(31)}`, `${long(32)},`, `,${long(32)}`, `${long(32)},,${long(32)}`,
    'changeme'
  ],
  ...Object.fromEntries(durations.map((name) => [name, [...noCounts, '0', '315360001']])),
  DATABASE_PREPARED_STATEMENTS: ['yes', '1', 'TRUE'],
  SESSION_HASH_IDS: ['yes', '1', '0', 'TRUE', 'on', ' true', 'null'],
  COOKIE_NAME: ['a b', 'a=b', 'a;b', 'a,b', '"a"', 'naïve', long(101), 'a\tb'],
  COOKIE_DOMAIN: [
    'example.com/', 'https://example.com', 'example..com', 'example.com.', '*.example.com',
    'exa mple.com', 'example.com; Secure', '.'
  ],
  COOKIE_LIFETIME: ['Idle', 'session', '900', 'idle,absolute', 'absolute\n'],
  DEVICE_BOUND_SESSIONS: [
    'On', 'true', 'required', 'required:ADMIN,,ISSUER', 'required:ADMIN,', 'required:AUDITOR', 'on,off', 'off\n'
  ],
  COGNITO_USER_POOL_ID: [
    'ZyXwVuTsR', 'eu-north-1', 'eu-north-1_', '_ZyXwVuTsR', 'eu-west-1_Ab/../x',
    'evil.example/x-1_a', 'EU-WEST-1_AbC', 'eu-west_AbC', 'eu-west-1_AbC\n', 'eu-west-1_AbC?x'
  ],
  COGNITO_ISSUER: [
    'issuer.example.com', 'https://issuer.example.com?x', 'https://issuer.example.com#x',
    'https://user:hidden@issuer.example.com', 'http://issuer.example.com',
    'https://issuer.example.com:99999', 'https://', 'https:///', 'https://a.example.com,',
    'https://a.example.com, https://b.example.com', 'https://a.example.com,http://b.example.com',
    'https://a.example.com,,https://b.example.com', ','
  ],
  COGNITO_DOMAIN: noOrigins,
  COGNITO_CLIENT_ID: ['a b', 'a\n', 'naïve', '\u0000'],
  COGNITO_CLIENT_SECRET: [
    'hidden secret', 'hidden\n', 'hiddén', 'hidden-1,', ',hidden-1', 'hidden-1,,hidden-2', ',',
    'hidden-1,hidden-2,hidden-3', 'hidden-1, hidden-2'
  ],
  COGNITO_EVENTS_SECRET: [
    'hidden', 'hidden secret of 16 and more', `hidden-${long(507)}`, 'hidden-of-16-and-more,',
    'hidden-of-16-and-more,hidden'
  ],
  COGNITO_SCOPES: ['email profile', 'openid  email', ' openid', 'openid,email', 'openid\temail', 'openidx'],
  ROLES: [
    'INVESTOR,', ',INVESTOR', 'INVESTOR,,ISSUER', 'INVESTOR, ISSUER', 'IN VESTOR', 'RÔLE', long(65),
    '<b>', ''
  ],
  OPEN_ROLES: ['INVESTOR,', 'INVESTOR, ISSUER', '<b>'],
  ROLE_CLAIM: ['custom roles', 'rôles', 'roles\n'],
  ROLE_MAP: [
    'admins', 'admins=', '=ADMIN', 'admins=ADMIN,', 'admins=ADMIN, staff=ISSUER', 'admins=AD MIN',
    'administrators=SUPERUSER', 'admins=ADMIN,administrators=admin', 'admins =ADMIN', ','
  ],
  USER_CLAIMS: [
    'locale,', 'locale, given_name', 'given name', 'sprache,größe', long(129), ',', 'a,b,c,d,e,f,g,h,i,j,k'
  ],
  RETURN_ORIGINS: [
    ...[...noOrigins, ...unusualOrigins, 'https://a.example.com/', '*', 'null'],
    'https://a.example.com,https://b.example.com/path',
    'https://a.example.com,http://b.example.com', 'https://a.example.com, https://b.example.com',
    'https://a.example.com,'
  ],
  LOGOUT_URL: [
    '/', 'app.example.com/', 'ftp://app.example.com/', 'http://app.example.com/',
    'https://user:hidden@app.example.com/', 'https://app.example.com/a b', 'https://:99999/',
    'javascript:alert(1)'
  ],
  HOME_URL: [
    '/', 'www.example.com', 'ftp://www.example.com/', 'http://www.example.com/', 'https://', 'https://a b/',
    'https://user:hidden@www.example.com/', 'https://:99999/', 'javascript:alert(1)',
    'https://a.example.com/,https://b.example.com/', 'https://a.example.com/,ISSUER=https://b.example.com/',
    'INVESTOR=', 'INVESTOR=/', '=https://a.example.com/', '*=https://a.example.com/',
    'INVESTOR=https://a.example.com/,', 'INVESTOR=https://a.example.com/, ISSUER=https://b.example.com/',
    'INVESTOR=http://a.example.com/', 'INVESTOR=https://user:hidden@a.example.com/',
    'AUDITOR=https://a.example.com/', 'INVESTOR=https://a.example.com/,INVESTOR=https://b.example.com/',
    'https://auth.example.com./', 'https://auth.example.com./offers', 'https://auth.example.com/oauth2/start',
    'https://auth.example.com/oauth2/sign_in?rd=/', 'ISSUER=https://auth.example.com/OAuth2/Start/',
    'https://auth.example.com/app/oauth2/start',
    'https://auth.example.com/api/auth/login', 'ISSUER=https://auth.example.com/api/auth/login?role=ISSUER'
  ],
  SESSION_LIMIT: [
    '0', '-1', '1.5', '01', '10000', 'ADMIN', 'ADMIN=', 'ADMIN=0', '=1', 'ADMIN=1,', 'ADMIN=1, *=5', '5,ADMIN=1',
    'AUDITOR=1', 'ADMIN=1,ADMIN=2', '*=1,*=2', '**=1'
  ],
  SESSION_END_COMMIT: ['on', 'REMOTE_APPLY', 'off', 'remote_apply,default'],
  SESSION_LIMIT_ACTION: ['end', 'END-OLDEST', 'refuse,end-oldest'],
  ACCOUNT_PAGE: ['yes', '2', 'TRUE'],
  AUDIT: ['yes', '2', 'TRUE'],
  AUDIT_DAYS: [...noCounts, '0', '3651'],
  LOGIN_RATE_LIMIT: [...noCounts, '1000001'],
  VERIFY_HEADERS: ['Cashsouk', 'oauth2_proxy', 'cashsouk,oauth2-proxy', 'oauth2-proxy\n'],
  METRICS_PORT: ['-1', '65536', '1.5', '0x10', 'none'],
  HTTPS_PROXY: [
    'ftp://proxy.example.com', 'socks5://proxy.example.com', 'http://', 'http://proxy.example.com/path',
    'http://proxy .example.com', 'http://user:hidden@proxy.example.com:99999', 'http://proxy.example.com?hidden'
  ]
}

for (const [name, values] of Object.entries(malformed)) {
  test(`a malformed ${name} is listed without its value`, (t) => {
    for (const value of values) {
      const label = JSON.stringify(value.slice(0, 60))
      const error = refusalOf(t, { ...required, [name]: value })
      const lines = error.message.split('\n').slice(1)
      t.same(namesIn(lines), [name], label)
      // A short value may occur in the text that says what is expected.
      if (value.length > 8) t.notOk(lines.some((line) => line.includes(value)), `${label} is not repeated`)
      t.notMatch(JSON.stringify({ ...error, stack: error.stack, cause: error.cause }), /hidden/, label)
    }
    t.end()
  })
}

test('the error never shows a secret', (t) => {
  const error = refusalOf(t, {
    ...required,
    PORT: 'abc',
    DATABASE_URL: 'mysql://user:hidden-1@host/db',
    SESSION_SECRET: 'hidden-2',
    COGNITO_CLIENT_SECRET: 'hidden 3',
    COGNITO_DOMAIN: 'https://user:hidden-4@host',
    LOGOUT_URL: 'https://user:hidden-5@host'
  })
  const { message, stack, cause } = error
  t.notMatch(JSON.stringify({ ...error, message, stack, cause: String(cause) }), /hidden/)
  t.end()
})

test('all problems are reported at once', (t) => {
  const { COGNITO_CLIENT_ID: _missing, ...others } = required
  const lines = problemsOf(t, {
    ...others,
    PORT: 'x',
    SESSION_TTL: '0',
    LOG_LEVEL: 'loud',
    OPEN_ROLES: 'AUDITOR',
    COOKIE_DOMAIN: 'other.example',
    TRUST_PROXY: '10.0.0.0/99',
    RETURN_ORIGINS: 'http://a.example.com'
  })
  t.same(namesIn(lines).sort(), [
    'COGNITO_CLIENT_ID', 'COOKIE_DOMAIN', 'LOG_LEVEL', 'OPEN_ROLES', 'PORT', 'RETURN_ORIGINS',
    'SESSION_TTL', 'TRUST_PROXY'
  ])
  t.end()
})

test('a malformed PORT is not also reported as PUBLIC_URL', (t) => {
  t.same(namesIn(problemsOf(t, { ...development, PORT: 'abc' })), ['PORT'])
  t.end()
})

test('a malformed COGNITO_ISSUER is reported alone', (t) => {
  const { COGNITO_USER_POOL_ID: _poolId, ...others } = required
  t.same(namesIn(problemsOf(t, { ...others, COGNITO_ISSUER: 'issuer' })), ['COGNITO_ISSUER'])
  t.end()
})

for (const [PORT, url] of [
  ['3000', 'http://localhost:3000'], ['8080', 'http://localhost:8080'], ['80', 'http://localhost'],
  ['03000', 'http://localhost:3000']
] as const) {
  test(`outside production PUBLIC_URL follows PORT=${PORT}`, (t) => {
    t.match(loadConfig({ ...development, PORT }), {
      PORT: Number(PORT),
      PUBLIC_URL: url,
      callbackUrl: `${url}/api/auth/callback`,
      LOGOUT_URL: `${url}/`
    })
    t.end()
  })
}

for (const value of ['1', '60', '01', '315360000']) {
  test(`SESSION_TTL=${value} is a number of seconds`, (t) => {
    t.equal(loadConfig({ ...required, SESSION_TTL: value }).SESSION_TTL, Number(value))
    t.end()
  })
}

test('SESSION_PRUNE_INTERVAL is at most the limit of a timer', (t) => {
  t.equal(loadConfig({ ...required, SESSION_PRUNE_INTERVAL: '2147483' }).SESSION_PRUNE_INTERVAL, 2_147_483)
  t.same(namesIn(problemsOf(t, { ...required, SESSION_PRUNE_INTERVAL: '2147484' })), [
    'SESSION_PRUNE_INTERVAL'
  ])
  t.end()
})

test('COGNITO_EVENTS_SECRET may be several secrets, and needs a user pool', (t) => {
  const secrets = 'a-secret-of-a-test,another-secret-of-a-test'
  t.same(loadConfig({ ...required, COGNITO_EVENTS_SECRET: secrets }).COGNITO_EVENTS_SECRET, secrets.split(','))
  t.same(loadConfig({ ...required, COGNITO_EVENTS_SECRET: '' }).COGNITO_EVENTS_SECRET, [])
  const { COGNITO_USER_POOL_ID: _poolId, ...others } = required
  const withIssuer = (COGNITO_ISSUER: string) => ({ ...others, COGNITO_ISSUER, COGNITO_EVENTS_SECRET: secrets })
  t.same(namesIn(problemsOf(t, withIssuer('https://issuer.example'))), ['COGNITO_EVENTS_SECRET'])
  t.ok(loadConfig(withIssuer('https://issuer.example/eu-west-1_AbCdEfGhI')))
  t.end()
})

test('PORT and LOGIN_RATE_LIMIT may be 0', (t) => {
  t.match(loadConfig({ ...required, PORT: '0', LOGIN_RATE_LIMIT: '0' }), { PORT: 0, LOGIN_RATE_LIMIT: 0 })
  t.end()
})

test('booleans are true and false', (t) => {
  t.equal(loadConfig({ ...required, SESSION_HASH_IDS: 'false' }).SESSION_HASH_IDS, false)
  t.equal(loadConfig({ ...required, SESSION_HASH_IDS: 'true' }).SESSION_HASH_IDS, true)
  t.end()
})

test('SESSION_SECRET is an ordered list of secrets', (t) => {
  t.same(
    loadConfig({ ...required, SESSION_SECRET: `${'b'.repeat(32)},${'a'.repeat(40)}` })
      .SESSION_SECRET,
    ['b'.repeat(32), 'a'.repeat(40)]
  )
  t.end()
})

for (const value of [
  '127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8,192.0.2.1', '10.0.0.1/32', '::ffff:10.0.0.1',
  '0.0.0.0/1'
]) {
  test(`TRUST_PROXY=${value} is accepted`, (t) => {
    t.same(loadConfig({ ...required, TRUST_PROXY: value }).TRUST_PROXY, value.split(','))
    t.end()
  })
}

for (const PUBLIC_URL of [
  'http://127.0.0.1', 'http://127.0.0.1:3000', 'http://127.8.9.1:3000', 'http://localhost',
  'http://localhost:3000', 'http://auth.localhost:3000', 'http://[::1]', 'http://[::1]:3000'
]) {
  test(`PUBLIC_URL=${PUBLIC_URL} is accepted, also in production`, (t) => {
    t.equal(loadConfig({ ...required, PUBLIC_URL }).PUBLIC_URL, PUBLIC_URL)
    t.equal(loadConfig({ ...development, PUBLIC_URL }).PUBLIC_URL, PUBLIC_URL)
    t.end()
  })
}

test('http beyond loopback is refused outside production too', (t) => {
  for (const name of ['PUBLIC_URL', 'COGNITO_DOMAIN', 'COGNITO_ISSUER', 'RETURN_ORIGINS', 'LOGOUT_URL']) {
    t.same(namesIn(problemsOf(t, { ...development, [name]: 'http://auth.example.com' })), [name])
  }
  t.end()
})

test('PUBLIC_URL and COGNITO_DOMAIN may end with a slash', (t) => {
  const config = loadConfig({
    ...required,
    PUBLIC_URL: 'https://auth.example.com/',
    COGNITO_DOMAIN: 'https://login.example.com/'
  })
  t.match(config, {
    PUBLIC_URL: 'https://auth.example.com',
    COGNITO_DOMAIN: 'https://login.example.com',
    callbackUrl: 'https://auth.example.com/api/auth/callback',
    LOGOUT_URL: 'https://auth.example.com/'
  })
  t.end()
})

test('callbackUrl is PUBLIC_URL plus /api/auth/callback', (t) => {
  t.equal(
    loadConfig({ ...required, PUBLIC_URL: 'https://auth.example.com:8443' }).callbackUrl,
    'https://auth.example.com:8443/api/auth/callback'
  )
  t.end()
})

for (const [poolId, issuer] of [
  ['eu-west-1_AbCdEfGhI', 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI'],
  ['ap-southeast-2_0zZ', 'https://cognito-idp.ap-southeast-2.amazonaws.com/ap-southeast-2_0zZ'],
  ['us-gov-west-1_AbC', 'https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_AbC'],
  ['cn-north-1_AbC', 'https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbC'],
  ['eusc-de-east-1_AbC', 'https://cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_AbC']
] as const) {
  test(`the issuer of ${poolId} is ${issuer}`, (t) => {
    const [original, updated, ...more] = loadConfig({ ...required, COGNITO_USER_POOL_ID: poolId }).COGNITO_ISSUER
    t.equal(original, issuer)
    t.equal(updated, issuer.replace('https://', 'https://issuer-'), 'or the updated one')
    t.same(more, [])
    t.end()
  })
}

test('COGNITO_ISSUER overrides COGNITO_USER_POOL_ID', (t) => {
  t.same(
    loadConfig({ ...required, COGNITO_ISSUER: 'http://127.0.0.1:9229/pool' }).COGNITO_ISSUER,
    ['http://127.0.0.1:9229/pool']
  )
  t.end()
})

test('LOGOUT_URL may be on any host', (t) => {
  t.equal(
    loadConfig({ ...required, LOGOUT_URL: 'https://www.example.org/bye?from=auth' }).LOGOUT_URL,
    'https://www.example.org/bye?from=auth'
  )
  t.end()
})

for (const HOME_URL of [
  'https://www.example.com', 'https://www.example.com/a?b=c=d#e', 'http://localhost:5173/', 'https://auth.example.com/',
  'https://www.example.com./', 'https://www.example.com/oauth2/start', 'https://auth.example.com/oauth2/starting',
  'INVESTOR=https://investor.example.com/', 'ISSUER=https://a.example.com/?x=y,INVESTOR=http://127.0.0.1:5173'
]) {
  test(`HOME_URL=${HOME_URL} is accepted`, (t) => {
    t.equal(loadConfig({ ...required, HOME_URL }).HOME_URL, HOME_URL)
    t.end()
  })
}

test('LOGOUT_URLS is a list of URLs, and LOGOUT_URL alone by default', (t) => {
  const urls = [
    'https://www.example.com/bye?from=auth', 'https://issuer.example.com:8443/', 'http://localhost:5173/out'
  ]
  t.same(loadConfig({ ...required, LOGOUT_URLS: urls.join(',') }).LOGOUT_URLS, urls)
  t.same(loadConfig({ ...required, LOGOUT_URL: urls[0], LOGOUT_URLS: '' }).LOGOUT_URLS, [urls[0]])
  t.same(loadConfig(required).LOGOUT_URLS, ['https://auth.example.com/'])
  t.end()
})

test('ROLE_LABELS has a label for each role', (t) => {
  const labels = ['INVESTOR=Investor portal', 'ISSUER=Untuk syarikat = PKS', 'ADMIN=管理']
  t.same(loadConfig({ ...required, ROLE_LABELS: labels.join(',') }).ROLE_LABELS, labels)
  t.end()
})

for (const ROLE_LABELS of [
  'INVESTOR', 'INVESTOR=', 'INVESTOR= x', '=x', 'INVESTOR=x,', 'INVESTOR=x\ny', `INVESTOR=${'x'.repeat(65)}`, 'A B=x'
]) {
  test(`ROLE_LABELS=${JSON.stringify(ROLE_LABELS).slice(0, 40)} is refused`, (t) => {
    t.same(namesIn(problemsOf(t, { ...required, ROLE_LABELS })), ['ROLE_LABELS'])
    t.end()
  })
}

for (const SESSION_LIMIT of ['1', '9999', 'ADMIN=1', '*=5', 'ADMIN=1,*=5', 'INVESTOR=2,ISSUER=3']) {
  test(`SESSION_LIMIT=${SESSION_LIMIT} is accepted`, (t) => {
    t.equal(loadConfig({ ...required, SESSION_LIMIT }).SESSION_LIMIT, SESSION_LIMIT)
    t.end()
  })
}

test('a SESSION_LIMIT names the role that is unknown or repeated', (t) => {
  const reasons = (SESSION_LIMIT: string) => problemsOf(t, { ...required, SESSION_LIMIT }).join('\n')
  t.match(reasons('AUDITOR=1'), /^SESSION_LIMIT has AUDITOR, which is not in ROLES$/)
  t.match(reasons('ADMIN=1,ADMIN=2'), /^SESSION_LIMIT has ADMIN twice$/)
  t.end()
})

test('a HOME_URL names the role that is unknown or repeated', (t) => {
  const reasons = (HOME_URL: string) => problemsOf(t, { ...required, HOME_URL }).join('\n')
  t.match(reasons('AUDITOR=https://a.example.com/'), /^HOME_URL has AUDITOR, which is not in ROLES$/)
  t.match(reasons('ADMIN=https://a.example.com/,ADMIN=https://b.example.com/'), /^HOME_URL has ADMIN twice$/)
  t.match(reasons('https://auth.example.com/api/auth/callback'), /^HOME_URL must not lead to the login itself$/)
  t.end()
})

for (const [name, value, expected] of [
  ['RETURN_ORIGINS', 'https://a.example.com/', /without a path and without a slash at the end/],
  ['RETURN_ORIGINS', 'https://a.example.com,https://b.example.com/portal', /without a path and without a slash/],
  ['PUBLIC_URL', 'https://auth.example.com/sso', /such as https:\/\/auth\.example\.com, without a path/],
  ['COGNITO_DOMAIN', 'https://example.auth.eu-west-1.amazoncognito.com/login', /, without a path/],
  ['COGNITO_DOMAIN', 'example.auth.eu-west-1.amazoncognito.com', /such as https:\/\//],
  ['HTTPS_PROXY', 'http://proxy.example.com:3128/proxy', /without a path/]
] as const) {
  test(`The problem of ${name}=${value} says which form an origin has`, (t) => {
    const lines = problemsOf(t, { ...required, [name]: value })
    t.match(lines, [new RegExp(`^${name} must be `)])
    t.match(lines, [expected])
    t.equal(lines.length, 1)
    t.end()
  })
}

test('RETURN_ORIGINS is a list of origins', (t) => {
  const origins = ['https://investor.example.com', 'https://issuer.example.com:8443', 'http://localhost:5173']
  t.same(loadConfig({ ...required, RETURN_ORIGINS: origins.join(',') }).RETURN_ORIGINS, origins)
  t.end()
})

test('empty variables count as unset', (t) => {
  const empty = Object.fromEntries(
    variableNames
      .filter((name) => !(name in required) && !['ROLES', 'OPEN_ROLES'].includes(name))
      .map((name) => [name, ''])
  )
  t.same(loadConfig({ ...empty, ...required }), loadConfig(required))
  t.end()
})

for (const [given, url] of [
  ['http://proxy.example.com:3128', 'http://proxy.example.com:3128'],
  ['https://user:word@proxy.example.com', 'https://user:word@proxy.example.com'],
  ['http://proxy.example.com:3128/', 'http://proxy.example.com:3128'],
  ['proxy.example.com:3128', 'http://proxy.example.com:3128'], ['10.0.0.1:3128', 'http://10.0.0.1:3128'],
  ['http://[fd00::1]:3128', 'http://[fd00::1]:3128']
] as const) {
  test(`HTTPS_PROXY=${given} is the proxy ${url}, also in lower case`, (t) => {
    t.equal(loadConfig({ ...required, HTTPS_PROXY: given }).HTTPS_PROXY, url)
    t.equal(loadConfig({ ...required, https_proxy: given }).HTTPS_PROXY, url)
    t.equal(loadConfig({ ...required, HTTPS_PROXY: given, https_proxy: 'other.example.com' }).HTTPS_PROXY, url)
    t.end()
  })
}

test('METRICS_PORT must differ from PORT', (t) => {
  t.same(problemsOf(t, { ...required, METRICS_PORT: '3000' }), [
    'METRICS_PORT must be another port than PORT: metrics are not public'
  ])
  t.same(namesIn(problemsOf(t, { ...required, PORT: '9464', METRICS_PORT: '9464' })), ['METRICS_PORT'])
  t.equal(loadConfig({ ...required, METRICS_PORT: '9464' }).METRICS_PORT, 9464)
  t.equal(loadConfig({ ...required, PORT: '0', METRICS_PORT: '0' }).METRICS_PORT, 0)
  t.equal(loadConfig(required).METRICS_PORT, undefined)
  t.end()
})

test('NO_PROXY is also read in lower case', (t) => {
  t.equal(loadConfig({ ...required, NO_PROXY: '.example.com' }).NO_PROXY, '.example.com')
  t.equal(loadConfig({ ...required, no_proxy: '.example.com' }).NO_PROXY, '.example.com')
  t.end()
})

test('an empty OPEN_ROLES opens no role', (t) => {
  t.same(loadConfig({ ...required, OPEN_ROLES: '' }).OPEN_ROLES, [])
  t.end()
})

test('OPEN_ROLES defaults to INVESTOR and ISSUER within ROLES', (t) => {
  t.same(loadConfig({ ...required, ROLES: 'ADMIN,ISSUER' }).OPEN_ROLES, ['ISSUER'])
  t.same(loadConfig({ ...required, ROLES: 'ADMIN' }).OPEN_ROLES, [])
  t.end()
})

for (const [what, variables, names] of [
  [
    'an open role outside ROLES',
    { ROLES: 'INVESTOR', OPEN_ROLES: 'INVESTOR,ADMIN' },
    ['OPEN_ROLES']
  ],
  ['an open role in lower case', { OPEN_ROLES: 'investor' }, ['OPEN_ROLES']],
  ['a mapped role outside ROLES', { ROLE_MAP: 'admins=ADMIN,auditors=AUDITOR' }, ['ROLE_MAP']],
  ...['sub', 'email', 'name', 'username', 'emailVerified', '__proto__', 'token_use', 'nonce', 'at_hash'].map((claim) =>
    [`${claim} among USER_CLAIMS`, { USER_CLAIMS: `locale,${claim}` }, ['USER_CLAIMS']] as const),
  [
    'a __Host- cookie with a domain',
    { COOKIE_NAME: '__Host-sid', COOKIE_DOMAIN: 'example.com' },
    ['COOKIE_DOMAIN']
  ],
  [
    'sessions bound to a device over http',
    { PUBLIC_URL: 'http://localhost:3000', DEVICE_BOUND_SESSIONS: 'on' },
    ['DEVICE_BOUND_SESSIONS']
  ],
  [
    'sessions bound to a device with a domain of the cookie',
    { PUBLIC_URL: 'https://auth.example.com', COOKIE_DOMAIN: 'example.com', DEVICE_BOUND_SESSIONS: 'on' },
    ['DEVICE_BOUND_SESSIONS']
  ],
  [
    'a role outside ROLES that requires a device',
    { PUBLIC_URL: 'https://auth.example.com', ROLES: 'INVESTOR', DEVICE_BOUND_SESSIONS: 'required:ADMIN' },
    ['DEVICE_BOUND_SESSIONS']
  ],
  [
    'a __Host- cookie over http',
    { COOKIE_NAME: '__Host-sid', PUBLIC_URL: 'http://localhost:3000' },
    ['COOKIE_NAME']
  ],
  [
    'a __Secure- cookie over http',
    { COOKIE_NAME: '__Secure-sid', PUBLIC_URL: 'http://localhost:3000' },
    ['COOKIE_NAME']
  ],
  [
    'a __secure- cookie over http (browsers ignore case)',
    { COOKIE_NAME: '__secure-sid', PUBLIC_URL: 'http://localhost:3000' },
    ['COOKIE_NAME']
  ],
  [
    'a __Http- cookie over http',
    { COOKIE_NAME: '__Http-sid', PUBLIC_URL: 'http://localhost:3000' },
    ['COOKIE_NAME']
  ],
  [
    'a __host-http- cookie over http (browsers ignore case)',
    { COOKIE_NAME: '__host-http-sid', PUBLIC_URL: 'http://localhost:3000' },
    ['COOKIE_NAME']
  ],
  [
    'a __Host-Http- cookie with a domain',
    { COOKIE_NAME: '__Host-Http-sid', COOKIE_DOMAIN: 'example.com' },
    ['COOKIE_DOMAIN']
  ],
  ['a label of a role outside ROLES', { ROLES: 'INVESTOR,ISSUER', ROLE_LABELS: 'ADMIN=Back office' }, ['ROLE_LABELS']],
  ['a label of a role in lower case', { ROLE_LABELS: 'investor=Investor portal' }, ['ROLE_LABELS']],
  ['two labels of one role', { ROLE_LABELS: 'ADMIN=Back office,ADMIN=Office' }, ['ROLE_LABELS']],
  [
    'a sign-out address over http',
    { LOGOUT_URLS: 'https://www.example.com/,http://www.example.com/' },
    ['LOGOUT_URLS']
  ],
  ['a sign-out address with a password', { LOGOUT_URLS: 'https://a:b@www.example.com/' }, ['LOGOUT_URLS']],
  ['a sign-out address with a port out of range', { LOGOUT_URLS: 'https://www.example.com:99999/' }, ['LOGOUT_URLS']],
  [
    'a __hOsT- cookie with a domain (browsers ignore case)',
    { COOKIE_NAME: '__hOsT-sid', COOKIE_DOMAIN: 'example.com' },
    ['COOKIE_DOMAIN']
  ]
] as const) {
  test(`a contradiction is refused: ${what}`, (t) => {
    t.same(namesIn(problemsOf(t, { ...required, ...variables })), names)
    t.end()
  })
}

test('Of several URLs, the wrong one is named without what may be secret', (t) => {
  for (const [LOGOUT_URLS, expected] of [
    ['http://b.example.com/bye?token=x', /LOGOUT_URLS must be https.* \(http:\/\/b\.example\.com\)/],
    ['https://a:secret@c.example.com/', /a user name or password \(https:\/\/c\.example\.com\)/],
    ['https://d.example.com:99999/', /LOGOUT_URLS must be a valid URL \(one of them is not\)/]
  ] as const) {
    const [problem = ''] = problemsOf(t, { ...required, LOGOUT_URLS: `https://www.example.com/,${LOGOUT_URLS}` })
    t.match(problem, expected)
    t.notMatch(problem, /token|secret/)
  }
  t.end()
})

test('prefixed cookie names are accepted over https', (t) => {
  for (const variables of [
    { COOKIE_NAME: '__Host-Http-sid' },
    { COOKIE_NAME: '__Http-sid', COOKIE_DOMAIN: 'example.com' },
    { COOKIE_NAME: '__Host-sid' },
    { COOKIE_NAME: '__Secure-sid', COOKIE_DOMAIN: 'example.com' },
    { COOKIE_NAME: '__HostSid', COOKIE_DOMAIN: 'example.com' }
  ]) {
    t.match(loadConfig({ ...required, ...variables }), variables)
  }
  t.end()
})

for (const COOKIE_DOMAIN of ['cashsouk.com', '.cashsouk.com', 'auth.cashsouk.com', 'CashSouk.com']) {
  test(`COOKIE_DOMAIN=${COOKIE_DOMAIN} is accepted for auth.cashsouk.com`, (t) => {
    t.equal(
      loadConfig({ ...required, PUBLIC_URL: 'https://auth.cashsouk.com', COOKIE_DOMAIN })
        .COOKIE_DOMAIN,
      COOKIE_DOMAIN
    )
    t.end()
  })
}

for (const COOKIE_DOMAIN of [
  'souk.com', '.souk.com', 'com', '.com', 'cashsouk.co', 'x.auth.cashsouk.com',
  'other.cashsouk.com', 'th.cashsouk.com', 'cashsouk.com.evil.example', 'localhost', '10.0.0.1'
]) {
  test(`COOKIE_DOMAIN=${COOKIE_DOMAIN} is refused for auth.cashsouk.com`, (t) => {
    t.same(
      namesIn(
        problemsOf(t, { ...required, PUBLIC_URL: 'https://auth.cashsouk.com', COOKIE_DOMAIN })
      ),
      ['COOKIE_DOMAIN']
    )
    t.end()
  })
}

test('an IP address has no cookie domain', (t) => {
  for (const COOKIE_DOMAIN of ['127.0.0.1', '0.0.1', '0.1', '1']) {
    t.same(
      namesIn(problemsOf(t, { ...required, PUBLIC_URL: 'http://127.0.0.1:3000', COOKIE_DOMAIN })),
      ['COOKIE_DOMAIN']
    )
  }
  t.end()
})

test('the configuration is frozen', (t) => {
  const config = loadConfig(required)
  t.ok(Object.isFrozen(config))
  t.throws(() => { Object.assign(config, { PORT: 1 }) }, { name: 'TypeError' })
  t.end()
})

test('DATABASE_URL may name a Unix socket', (t) => {
  for (const DATABASE_URL of [
    'postgresql://user:pass-word@/auth?host=/cloudsql/project:europe-west1:instance',
    'postgres://user:pass-word@%2Fvar%2Frun%2Fpostgresql/auth',
    'postgres:///auth'
  ]) t.match(loadConfig({ ...required, DATABASE_URL }), { DATABASE_URL })
  t.end()
})

for (const name of ['sslrootcert', 'sslcert', 'sslkey']) {
  test(`the file of ${name} in DATABASE_URL must be readable`, (t) => {
    const here = fileURLToPath(import.meta.url)
    const withFile = (file: string) => ({
      ...required,
      DATABASE_URL: `${required.DATABASE_URL}?sslmode=verify-full&${name}=${encodeURIComponent(file)}`
    })
    t.match(loadConfig(withFile(here)), { DATABASE_URL: withFile(here).DATABASE_URL })
    const lines = problemsOf(t, withFile(`${here}.missing`))
    t.same(namesIn(lines), ['DATABASE_URL'])
    t.match(lines[0], new RegExp(name))
    t.notMatch(lines[0], /pass-word|missing/)
    t.end()
  })
}

test('two configurations share no state', (t) => {
  const roles = loadConfig({ ...required, ROLES: 'A,B', OPEN_ROLES: 'A' }).ROLES
  t.same(loadConfig(required).ROLES, ['INVESTOR', 'ISSUER', 'ADMIN'])
  t.same(roles, ['A', 'B'])
  t.end()
})

test('the environment is not modified', (t) => {
  const env = Object.freeze({ ...required, UNKNOWN_VARIABLE: 'x' })
  t.notOk('UNKNOWN_VARIABLE' in loadConfig(env))
  t.same(env, { ...required, UNKNOWN_VARIABLE: 'x' })
  t.end()
})

test('variableNames lists the documented variables', (t) => {
  t.same([...variableNames].sort(), [
    'ACCOUNT_PAGE', 'AUDIT', 'AUDIT_DAYS', 'COGNITO_CLIENT_ID', 'COGNITO_CLIENT_SECRET', 'COGNITO_CLIENT_SECRET_FILE',
    'COGNITO_DOMAIN', 'COGNITO_EVENTS_SECRET', 'COGNITO_EVENTS_SECRET_FILE', 'COGNITO_ISSUER', 'COGNITO_SCOPES',
    'COGNITO_USER_POOL_ID', 'COOKIE_DOMAIN', 'COOKIE_LIFETIME', 'COOKIE_NAME', 'DATABASE_AUTH', 'DATABASE_POOL_MAX',
    'DATABASE_PREPARED_STATEMENTS', 'DATABASE_URL', 'DATABASE_URL_FILE', 'DEVICE_BOUND_SESSIONS', 'DRAIN_SECONDS',
    'HOME_URL', 'HOST', 'HTTPS_PROXY', 'LOGIN_RATE_LIMIT', 'LOGIN_TTL', 'LOGOUT_URL', 'LOGOUT_URLS', 'LOG_LEVEL',
    'METRICS_PORT', 'NODE_ENV', 'NO_PROXY', 'OPEN_ROLES', 'PORT', 'PUBLIC_URL', 'RETURN_ORIGINS', 'ROLES',
    'ROLE_CLAIM', 'ROLE_LABELS', 'ROLE_MAP', 'SESSION_ABSOLUTE_TTL', 'SESSION_END_COMMIT', 'SESSION_HASH_IDS',
    'SESSION_LIMIT', 'SESSION_LIMIT_ACTION', 'SESSION_PRUNE_INTERVAL', 'SESSION_SECRET', 'SESSION_SECRET_FILE',
    'SESSION_TOUCH_INTERVAL', 'SESSION_TTL', 'TRUST_PROXY', 'USER_CLAIMS', 'VERIFY_HEADERS'
  ])
  t.end()
})

/** A configuration with a token in place of the database's password. */
const withToken = (DATABASE_URL: string) => ({ ...required, DATABASE_AUTH: 'rds-iam', DATABASE_URL })
const ENDPOINT = 'auth.abcdefghijkl.eu-west-1.rds.amazonaws.com'

test('DATABASE_AUTH=rds-iam needs a user, a host, TLS and a region, and no password', (t) => {
  const region = process.env.AWS_REGION
  delete process.env.AWS_REGION
  t.teardown(() => { if (region !== undefined) process.env.AWS_REGION = region })
  const tls = 'sslmode=verify-full'
  for (const usable of [
    `postgres://app@${ENDPOINT}/auth?${tls}`,
    `postgres://app@${ENDPOINT}/auth?sslmode=require`,
    `postgres://app@auth.proxy-abcdefghijkl.cn-north-1.rds.amazonaws.com.cn:5432/auth?${tls}`,
    `postgres://app@${ENDPOINT},${ENDPOINT}:5433/auth?${tls}`
  ]) {
    t.equal(loadConfig(withToken(usable)).DATABASE_AUTH, 'rds-iam')
  }
  for (const [url, line] of [
    [`postgres://app:hidden@${ENDPOINT}/auth?${tls}`, /^DATABASE_URL has a password, and DATABASE_AUTH is rds-iam/],
    [`postgres://app@${ENDPOINT}/auth?${tls}&password=hidden`, /^DATABASE_URL has a password/],
    [`postgres://${ENDPOINT}/auth?${tls}`, /^DATABASE_URL names no user/],
    [`postgres://app@${ENDPOINT}/auth`, /^DATABASE_URL must have sslmode=verify-full or require/],
    [`postgres://app@${ENDPOINT}/auth?sslmode=prefer`, /^DATABASE_URL must have sslmode/],
    [`postgres://app@${ENDPOINT}/auth?sslmode=no-verify`, /^DATABASE_URL must have sslmode/],
    [`postgres://app@/auth?${tls}&host=/tmp`, /^DATABASE_URL names no host/],
    [`postgres://app@/auth?${tls}`, /^DATABASE_URL names no host/],
    [`postgres://app@localhost/auth?${tls}`, /^DATABASE_AUTH is rds-iam, and .* set AWS_REGION/],
    [`postgres://app@${ENDPOINT},localhost/auth?${tls}`, /^DATABASE_AUTH is rds-iam, and .* set AWS_REGION/]
  ] as const) {
    const lines = problemsOf(t, withToken(url))
    t.equal(lines.length, 1, lines.join())
    t.match(lines[0], line)
    t.notMatch(lines[0], /hidden/)
  }
  process.env.AWS_REGION = 'eu-west-1'
  t.teardown(() => { delete process.env.AWS_REGION })
  t.equal(loadConfig(withToken(`postgres://app@localhost/auth?${tls}`)).DATABASE_AUTH, 'rds-iam')
  t.end()
})
