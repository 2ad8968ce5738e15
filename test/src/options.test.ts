import { join } from 'node:path'
import { test } from 'tap'
import { loadConfig } from '../../src/config.js'
import { configOf } from '../../src/options.js'
import { variableNames } from '../../src/variables.js'

const SECRET = 'a secret of a test and of nothing else'
const env = {
  PUBLIC_URL: 'https://app.example.com',
  DATABASE_URL: 'postgres://127.0.0.1/auth',
  SESSION_SECRET: SECRET,
  COGNITO_ISSUER: 'https://issuer.example',
  COGNITO_DOMAIN: 'https://issuer.example',
  COGNITO_CLIENT_ID: 'client'
}
const RULES = { prefix: '/api/auth', ownPool: false, others: ['env', 'prefix', 'onLogin'] }

const read = (options: Record<string, unknown>, rules = RULES) => configOf(options, rules)

function problemsOf (options: Record<string, unknown>): string[] {
  try {
    read({ env, ...options })
    return []
  } catch (error) {
    const { code, message } = error as { code: string, message: string }
    return [code, ...message.split('\n').slice(1)]
  }
}

test('Options with natural types are what the variables are as text', async (t) => {
  const { SESSION_SECRET: _secret, ...others } = env
  t.same(read({
    env: others,
    sessionSecret: [SECRET, `${SECRET} 2`],
    sessionTtl: 600,
    sessionHashIds: false,
    cognitoScopes: ['openid', 'email'],
    roles: ['A', 'B'],
    openRoles: ['A'],
    roleLabels: { A: 'Label of A' },
    roleMap: { 'group=1': 'B' },
    homeUrl: { A: 'https://a.example.com/', B: 'https://b.example.com/' },
    sessionLimit: { 'A': 1, '*': 5 }
  }), loadConfig({
    ...others,
    SESSION_SECRET: `${SECRET},${SECRET} 2`,
    SESSION_TTL: '600',
    SESSION_HASH_IDS: 'false',
    COGNITO_SCOPES: 'openid email',
    ROLES: 'A,B',
    OPEN_ROLES: 'A',
    ROLE_LABELS: 'A=Label of A',
    ROLE_MAP: 'group=1=B',
    HOME_URL: 'A=https://a.example.com/,B=https://b.example.com/',
    SESSION_LIMIT: 'A=1,*=5'
  }))
  t.equal(read({ env, sessionLimit: 3 }).SESSION_LIMIT, '3')
  t.throws(() => read({ env, sessionLimit: { A: 0 } }), { message: /sessionLimit/ })
})

test('An option comes before its variable in either form, and a file may be an option', (t) => {
  const path = join(t.testdir({ SESSION_SECRET: `${SECRET} 2\n` }), 'SESSION_SECRET')
  t.same(read({ env, sessionSecretFile: path }).SESSION_SECRET, [`${SECRET} 2`])
  const { SESSION_SECRET: _secret, ...others } = env
  t.same(read({ env: { ...others, SESSION_SECRET_FILE: path }, sessionSecret: SECRET }).SESSION_SECRET, [SECRET])
  t.same(read({ env: { ...others, SESSION_SECRET_FILE: path } }).SESSION_SECRET, [`${SECRET} 2`])
  t.same(problemsOf({ sessionSecret: SECRET, sessionSecretFile: path }), [
    'ERR_CONFIG', 'sessionSecretFile and sessionSecret are both set: set one of them'
  ])
  t.same(problemsOf({ sessionSecretFile: `${path}/SESSION_SECRET` }), [
    'ERR_CONFIG', `sessionSecretFile names ${path}/SESSION_SECRET, which cannot be read (ENOTDIR)`
  ])
  t.end()
})

test('An option comes before its variable, and a variable counts where there is none', async (t) => {
  t.equal(read({ env: { ...env, SESSION_TTL: '600' } }).SESSION_TTL, 600)
  t.equal(read({ env: { ...env, SESSION_TTL: '600' }, sessionTtl: 700 }).SESSION_TTL, 700)
  t.equal(read({ env: { ...env, SESSION_TTL: '600' }, sessionTtl: undefined }).SESSION_TTL, 600)
})

test('env: false reads no variable', async (t) => {
  const before = process.env
  process.env = { ...before, ...env }
  t.teardown(() => { process.env = before })
  t.equal(read({}).COGNITO_CLIENT_ID, 'client')
  t.throws(() => read({ env: false }), { message: /cognitoClientId is missing/ })
})

test('The prefix is part of the callback URL', async (t) => {
  t.match(read({ env }, { ...RULES, prefix: '/portal/auth' }), {
    prefix: '/portal/auth', callbackUrl: 'https://app.example.com/portal/auth/callback'
  })
})

test('With a pool of the application, DATABASE_URL is neither needed nor used', async (t) => {
  const { DATABASE_URL: url, ...others } = env
  t.throws(() => read({ env: others }), { message: /databaseUrl is missing/ })
  t.not(read({ env }, { ...RULES, ownPool: true }).DATABASE_URL, url)
  t.ok(read({ env: others }, { ...RULES, ownPool: true }))
})

for (const [option, value, line] of [
  ['sesionTtl', 900, 'sesionTtl is no option of the plugin: did you mean sessionTtl?'],
  ['SESSION_TTL', 900, 'SESSION_TTL is no option of the plugin: did you mean sessionTtl?'],
  ['onLogn', () => {}, 'onLogn is no option of the plugin: did you mean onLogin?'],
  ['somethingElse', 1, 'somethingElse is no option of the plugin'],
  ['trustProxy', true, 'trustProxy is no option of the plugin: the application decides it'],
  ['port', 3000, 'port is no option of the plugin: the application decides it'],
  ['sessionTtl', '900', /^sessionTtl must be a number: a whole number of seconds/],
  ['sessionTtl', 0, /^sessionTtl must be a whole number of seconds from 1/],
  ['sessionTtl', 1.5, /^sessionTtl must be a whole number of seconds from 1/],
  ['sessionHashIds', 'yes', /^sessionHashIds must be a boolean/],
  ['publicUrl', 1, /^publicUrl must be a string/],
  ['publicUrl', null, /^publicUrl must be a string/],
  ['publicUrl', 'https://app.example.com/path', /^publicUrl must be the origin/],
  ['roles', [1], 'roles must hold strings alone'],
  ['roles', {}, /^roles must be an array of strings/],
  ['sessionSecret', [`${SECRET},x`], 'sessionSecret must not have "," in an item: it separates them in the variable'],
  ['roleLabels', ['x'], /^roleLabels must be a comma-separated list/],
  ['roleLabels', { A: 1 }, 'roleLabels must hold strings alone'],
  ['openRoles', ['OWNER'], 'openRoles has OWNER, which is not in roles']
] as const) {
  test(`Refused by its name: ${option}: ${JSON.stringify(value) ?? 'a function'}`, async (t) => {
    t.match(problemsOf({ [option]: value }), ['ERR_CONFIG', line])
  })
}

test('An unknown option, a wrong one and a missing one are told together', async (t) => {
  const { COGNITO_CLIENT_ID: _id, ...others } = env
  t.match(problemsOf({ env: others, openRole: ['A'], sessionTtl: 'x', roles: 'A', openRoles: ['B'] }), [
    'ERR_CONFIG', /^openRole is no option/, /^sessionTtl must be a number/, /^cognitoClientId is missing/
  ])
  t.equal(problemsOf({ env: others, openRole: ['A'], sessionTtl: 'x' }).length, 4)
})

test('No option has the name of another', async (t) => {
  const names = variableNames.map((name) => name.toLowerCase().replaceAll('_', ''))
  const others = RULES.others.map((name) => name.toLowerCase())
  t.equal(new Set([...names, ...others]).size, names.length + others.length)
})
