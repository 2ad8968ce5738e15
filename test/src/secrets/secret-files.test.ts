import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { loadConfig, secretSourceOf, type Config } from '../../../src/config.js'
import { SecretWatch, type SecretEvent } from '../../../src/secrets/secret-watch.js'
import { secretMount } from '../../support/secret-mount.js'

const OLD = 'the old secret of a test and of nothing else'
const NEW = 'the new secret of a test and of nothing else'
const DATABASE_URL = 'postgres://app:hidden@database.example.com/auth'
const base = {
  PUBLIC_URL: 'https://app.example.com',
  DATABASE_URL,
  SESSION_SECRET: OLD,
  COGNITO_ISSUER: 'https://issuer.example',
  COGNITO_DOMAIN: 'https://issuer.example',
  COGNITO_CLIENT_ID: 'client'
}

/** The lines about `env` in place of the same variables of `base`. */
function problemsOf (t: Test, env: NodeJS.ProcessEnv): string[] {
  const error = t.throws(() => loadConfig({ ...base, ...env }), { code: 'ERR_CONFIG' }) as unknown as Error
  return error.message.split('\n').slice(1)
}

for (const [name, text, value] of [
  ['DATABASE_URL', `${DATABASE_URL}\n`, DATABASE_URL],
  ['SESSION_SECRET', `${NEW},${OLD}\r\n`, [NEW, OLD]],
  ['COGNITO_CLIENT_SECRET', '\ufeffone,two', ['one', 'two']]
] as const) {
  test(`${name}_FILE names a file with the value of ${name}`, (t) => {
    const path = join(t.testdir({ secret: text }), 'secret')
    const config = loadConfig({ ...base, [name]: '', [`${name}_FILE`]: path })
    t.same(config[name], value)
    t.ok(Object.isFrozen(config))
    t.end()
  })
}

test('A path with a character that no path has', (t) => {
  for (const path of ['\r\nPORT is wrong', '\0', '\u2028', 'a\u0085b']) {
    t.same(problemsOf(t, { SESSION_SECRET: '', SESSION_SECRET_FILE: path }), [
      'SESSION_SECRET_FILE must be the path of a file that holds SESSION_SECRET'
    ])
  }
  t.end()
})

const RULE = 'must be a comma-separated list: secrets of at least 32 characters each; the first signs, all verify'
const unusable: Record<string, [make: (path: string) => void, line: (path: string) => string]> = {
  'is missing': [() => {}, (path) => `SESSION_SECRET_FILE names ${path}, which cannot be read (ENOENT)`],
  'is a folder': [mkdirSync, (path) => `SESSION_SECRET_FILE names ${path}, which is not a file`],
  'is a named pipe': [
    (path) => { execFileSync('mkfifo', [path]) }, (path) => `SESSION_SECRET_FILE names ${path}, which is not a file`
  ],
  'is empty': [
    (path) => { writeFileSync(path, ' \n') }, (path) => `SESSION_SECRET_FILE names ${path}, which is empty`
  ],
  'is too long': [
    (path) => { writeFileSync(path, 'hidden'.repeat(11_000)) },
    (path) => `SESSION_SECRET_FILE names ${path}, which is longer than 65536 bytes`
  ],
  'is no text': [
    (path) => { writeFileSync(path, Buffer.from(`${'hidden'.repeat(6)}\xff`, 'latin1')) },
    (path) => `SESSION_SECRET_FILE names ${path}, which is not text in UTF-8`
  ],
  'has two lines': [
    (path) => { writeFileSync(path, 'hidden\nhidden\n') },
    (path) => `SESSION_SECRET_FILE names ${path}, which has more than one line`
  ],
  'has a value that the variable must not have': [
    (path) => { writeFileSync(path, 'hidden') }, (path) => `SESSION_SECRET ${RULE} (read from ${path})`
  ]
}
for (const [what, [make, line]] of Object.entries(unusable)) {
  test(`A file that ${what} is refused at the start, in one line without its content`, (t) => {
    // As Docker names it: the name of the variable is part of the path.
    const path = join(t.testdir(), 'SESSION_SECRET')
    make(path)
    t.same(problemsOf(t, { SESSION_SECRET: '', SESSION_SECRET_FILE: path }), [line(path)])
    t.end()
  })
}

test('A variable and its file together are refused by name', (t) => {
  t.same(problemsOf(t, { SESSION_SECRET_FILE: '/nonexistent' }), [
    'SESSION_SECRET_FILE and SESSION_SECRET are both set: set one of them'
  ])
  t.match(problemsOf(t, { SESSION_SECRET: '', SESSION_SECRET_FILE: '/a', DATABASE_URL_FILE: '/b', ROLES: '!' }), [
    /^DATABASE_URL_FILE and DATABASE_URL are both/, /^SESSION_SECRET_FILE names \/a/, /^ROLES must be/
  ])
  t.end()
})

/** A configuration whose secret is in a file, and a watch that looks only when it is told. */
function watched (t: Test, path: string, variable = 'SESSION_SECRET') {
  const config = loadConfig({ ...base, [variable]: '', [`${variable}_FILE`]: path })
  const events: SecretEvent[] = []
  const source = secretSourceOf(config)
  if (source === undefined) throw new Error('no files')
  const watch = new SecretWatch(source, (event) => { events.push(event) })
  t.teardown(() => { watch.stop() })
  return { config, events, look: () => watch.look(), watch }
}

const CHANGED = { type: 'changed', variable: 'SESSION_SECRET' }

const changes: Record<string, (path: string) => void> = {
  'is written in place': (path) => { writeFileSync(path, NEW) },
  'is replaced by another': (path) => {
    writeFileSync(`${path}.new`, NEW)
    renameSync(`${path}.new`, path)
  },
  'gets another content of the same length and time': (path) => {
    const { atime, mtime } = statSync(path)
    writeFileSync(path, NEW)
    utimesSync(path, atime, mtime)
  }
}
for (const [what, change] of Object.entries(changes)) {
  test(`A secret is read again when its file ${what}`, async (t) => {
    const path = join(t.testdir({ secret: OLD }), 'secret')
    const { config, events, look } = watched(t, path)
    await look()
    t.same([config.SESSION_SECRET, events], [[OLD], []])
    change(path)
    await look()
    await look()
    t.same([config.SESSION_SECRET, events], [[NEW], [CHANGED]])
  })
}

test('A secret is read again when Kubernetes replaces the folder of a mounted secret', async (t) => {
  const mount = secretMount(t, { secret: OLD })
  const { config, events, look } = watched(t, mount.path('secret'))
  for (const text of [`${OLD},${NEW}`, `${NEW},${OLD}`, NEW]) {
    mount.write({ secret: text })
    await look()
    t.same(config.SESSION_SECRET, text.split(','))
  }
  t.equal(events.length, 3)
})

test('A file is looked at by itself, and a process does not stay for it', async (t) => {
  const path = join(t.testdir({ secret: OLD }), 'secret')
  const { config, watch } = watched(t, path)
  watch.start()
  writeFileSync(path, NEW)
  await sleep(3000)
  t.same(config.SESSION_SECRET, [NEW])
  const module = new URL('../../../src/secrets/secret-watch.js', import.meta.url).href
  execFileSync(process.execPath, ['--input-type=module', '-e', `
    import { SecretWatch } from '${module}'
    new SecretWatch({ files: new Map([['A', { path: '/nonexistent', text: 'a' }]]) }, () => {}).start()
  `], { timeout: 10_000 })
})

test('A file that is being written is not taken halfway', async (t) => {
  const path = join(t.testdir({ secret: OLD }), 'secret')
  const { config, events, look } = watched(t, path)
  writeFileSync(path, NEW.slice(0, 36))
  const looking = look()
  await sleep(30)
  writeFileSync(path, NEW)
  await looking
  t.same(config.SESSION_SECRET, [OLD])
  await look()
  t.same([config.SESSION_SECRET, events], [[NEW], [CHANGED]])
})

test('A changed file that cannot be used leaves the value, and is told once', async (t) => {
  const path = join(t.testdir({ secret: OLD }), 'secret')
  const { config, events, look } = watched(t, path)
  const expect = async (reason: string) => {
    await look()
    await look()
    t.same([config.SESSION_SECRET, events.splice(0)], [
      [OLD], [{ type: 'unusable', variable: 'SESSION_SECRET', reason }]
    ])
  }
  writeFileSync(path, 'hidden')
  await expect(RULE)
  writeFileSync(path, 'hidden also')
  await look()
  t.same(events, [], 'for the same reason')
  rmSync(path)
  await expect(`names ${path}, which cannot be read (ENOENT)`)
  writeFileSync(path, OLD)
  await look()
  t.same(events, [])
  rmSync(path)
  await expect(`names ${path}, which cannot be read (ENOENT)`)
  writeFileSync(path, NEW)
  await look()
  t.same([config.SESSION_SECRET, events], [[NEW], [CHANGED]])
})

for (const [where, former, next, others] of [
  ['', DATABASE_URL, DATABASE_URL.replace('app:hidden', 'app2:hidden2'), [
    ['example.com', 'example.org'], ['/auth', '/other'], ['/auth', '/auth?sslmode=disable']
  ]],
  [' as parameters', ...['app&password=hidden', 'app2&password=hidden2'].map((login) =>
    `postgres:///auth?host=/tmp&user=${login}&sslmode=disable`) as [string, string], [
    ['host=/tmp', 'host=/var'], ['sslmode=disable', 'sslmode=prefer']
  ]]
] as [string, string, string, [string, string][]][]) {
  test(`Of DATABASE_URL, only the user name and the password${where} may change while the server runs`, async (t) => {
    const path = join(t.testdir({ secret: former }), 'secret')
    const { config, events, look } = watched(t, path, 'DATABASE_URL')
    writeFileSync(path, next)
    await look()
    t.equal(config.DATABASE_URL, next)
    for (const [part, by] of others) {
      writeFileSync(path, next.replace(part, by))
      await look()
    }
    t.equal(config.DATABASE_URL, next)
    t.match(events, [{ type: 'changed' }, { reason: /^names another server, database or parameter/ }])
    t.equal(events.length, 2)
  })
}

test('A file that becomes a named pipe is refused as at the start', async (t) => {
  const path = join(t.testdir({ secret: OLD }), 'secret')
  const { config, events, look } = watched(t, path)
  rmSync(path)
  execFileSync('mkfifo', [path])
  await look()
  t.same(config.SESSION_SECRET, [OLD])
  t.match(events, [{ type: 'unusable', reason: `names ${path}, which is not a file` }])
})

test('No file stays open', { skip: process.platform !== 'linux' && 'needs /proc' }, async (t) => {
  const path = join(t.testdir({ secret: OLD }), 'secret')
  const open = () => readdirSync('/proc/self/fd').length
  const { look } = watched(t, path)
  await look()
  const before = open()
  for (let i = 0; i < 20; i++) {
    watched(t, path)
    await look()
  }
  t.ok(open() < before + 10, `${before} became ${open()}`)
})

test('A secret that changes is checked alone', async (t) => {
  const mount = secretMount(t, { secret: OLD, ca: 'certificate' })
  const config = loadConfig({
    ...base,
    SESSION_SECRET: '',
    SESSION_SECRET_FILE: mount.path('secret'),
    DATABASE_URL: `${DATABASE_URL}?sslmode=verify-full&sslrootcert=${mount.path('ca')}`
  })
  const source = secretSourceOf(config)
  rmSync(mount.path('ca'))
  source?.replace('SESSION_SECRET', NEW)
  t.same(config.SESSION_SECRET, [NEW])
})

test('Without files there is nothing to look at', (t) => {
  const config: Config = loadConfig(base)
  t.equal(secretSourceOf(config), undefined)
  t.ok(Object.getOwnPropertyDescriptor(config, 'SESSION_SECRET')?.value)
  t.end()
})
