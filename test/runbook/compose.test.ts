/** Compose 1.29, Debian's package docker-compose. `config` needs no Docker engine. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { parse } from 'yaml'
import { envFile } from '../support/env-file.js'
import { root } from '../support/root.js'

const REQUIRED = {
  PUBLIC_URL: 'https://auth.example.com',
  SESSION_SECRET: '0123456789abcdef0123456789abcdef',
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
  COGNITO_CLIENT_ID: 'example'
}
const BUNDLED = { ...REQUIRED, POSTGRES_PASSWORD: '0123456789abcdef' }
const EXTERNAL = { ...REQUIRED, DATABASE_URL: 'postgres://user:pass@db.example.com/auth?sslmode=verify-full' }

interface Composed { services: Record<string, { environment: Record<string, string | null> } | undefined> }

/** A folder with the Compose files and this `.env`. */
function folder (t: Test, env: string | Record<string, string>): string {
  const dir = t.testdir()
  for (const file of ['docker-compose.yml', 'docker-compose.prod.yml']) {
    copyFileSync(join(root, file), join(dir, file))
  }
  const lines = typeof env === 'string'
    ? env
    : Object.entries(env).map(([name, value]) => `${name}=${value}\n`).join('')
  writeFileSync(join(dir, '.env'), lines)
  return dir
}

function compose (dir: string, ...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync('docker-compose', args, {
    cwd: dir, encoding: 'utf8', timeout: 60_000, env: { PATH: process.env['PATH'] }
  })
  if (error !== undefined) throw error
  return { status, stdout, stderr }
}

/** .env.example with its empty required values filled in. */
function filled (values: Record<string, string>): string {
  let text = readFileSync(join(root, '.env.example'), 'utf8')
  for (const [name, value] of Object.entries(values)) text = text.replace(`\n${name}=\n`, `\n${name}=${value}\n`)
  return text
}

test('Compose 1.29 reads docker-compose.yml, with the services api and db', (t) => {
  const dir = folder(t, BUNDLED)

  t.match(compose(dir, 'version', '--short').stdout, /^1\.29\./)
  t.same(compose(dir, 'config', '--services').stdout.trim().split('\n').sort(), ['api', 'db'])
  const { services: { api, db } } = parse(compose(dir, 'config').stdout) as Composed
  t.equal(api?.environment.DATABASE_URL, 'postgres://cashsouk_auth@db:5432/cashsouk_auth')
  t.equal(api?.environment.PGPASSWORD, BUNDLED.POSTGRES_PASSWORD)
  t.equal(api?.environment.COGNITO_SCOPES, 'openid email profile')
  t.match(db, { restart: 'unless-stopped' })
  t.end()
})

test('Compose 1.29 reads docker-compose.prod.yml by itself, with the service api', (t) => {
  const dir = folder(t, EXTERNAL)
  const prod = ['-f', 'docker-compose.prod.yml', 'config']

  t.same(compose(dir, ...prod, '--services').stdout, 'api\n')
  const { services: { api } } = parse(compose(dir, ...prod).stdout) as Composed
  t.equal(api?.environment.DATABASE_URL, EXTERNAL.DATABASE_URL)
  t.equal(api?.environment.PGPASSWORD, undefined)
  t.match(api, { restart: 'unless-stopped', mem_limit: '512m', pids_limit: 100 })
  t.end()
})

for (const [file, values] of [['docker-compose.yml', BUNDLED], ['docker-compose.prod.yml', EXTERNAL]] as const) {
  test(`Compose 1.29 names a variable that ${file} misses`, (t) => {
    for (const name of Object.keys(values)) {
      const { status, stderr } = compose(folder(t, { ...values, [name]: '' }), '-f', file, 'config', '--quiet')
      t.equal(status, 1)
      t.ok(stderr.trim().split('in service').at(-1)?.includes(name), name)
    }
    t.end()
  })
}

test('Compose 1.29 and a shell read the values of .env.example', (t) => {
  const source = filled(BUNDLED)
  const dir = folder(t, source)
  const expected = envFile(source)
  const { services: { api } } = parse(compose(dir, 'config').stdout) as Composed

  const names = Object.keys(expected).filter((name) => name in (api?.environment ?? {}) && name !== 'DATABASE_URL')
  t.ok(names.length > 30)
  for (const name of names) t.equal(String(api?.environment[name]), expected[name], name)

  const sourced = execFileSync('sh', ['-c', 'set -a; . ./.env; set +a; env -0'], {
    cwd: dir, env: {}, encoding: 'utf8'
  }).split('\0')
  for (const [name, value] of Object.entries(expected)) t.ok(sourced.includes(`${name}=${value}`), name)
  t.end()
})
