import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { test } from 'tap'
import { parse } from 'yaml'
import { loadConfig, variableNames } from '../../src/config.js'
import { PgSessionStore } from '../../src/sessions/store.js'
import { envFile } from '../support/env-file.js'
import { rootUrl } from '../support/root.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'

const text = (path: string): Promise<string> => readFile(new URL(path, rootUrl), 'utf8')

/** Variables without a default. */
const REQUIRED = [
  'PUBLIC_URL', 'SESSION_SECRET', 'COGNITO_USER_POOL_ID', 'COGNITO_DOMAIN', 'COGNITO_CLIENT_ID'
]
/** Read by Compose and PostgreSQL, not by the server. */
const COMPOSE_ONLY = ['POSTGRES_PASSWORD', 'COMPOSE_PROJECT_NAME']
/** Read by the driver and by psql, not by the server. */
const DRIVER_ONLY = ['PGPASSWORD']
/** Without a value in .env.example. A public client has no secret. */
const BLANK = [...REQUIRED, 'POSTGRES_PASSWORD', 'COGNITO_CLIENT_SECRET']
/** The server's own limit for a shutdown that has drained, in seconds (`GRACE_MS` in src/serve.ts). */
const GRACE = 15

const answers = {
  PUBLIC_URL: 'https://auth.example.com',
  SESSION_SECRET: 'a secret of a test and of nothing else',
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
  COGNITO_CLIENT_ID: 'example',
  COGNITO_CLIENT_SECRET: 'example-secret',
  POSTGRES_PASSWORD: '0123456789abcdef'
}
/** The password is in `PGPASSWORD`. */
const DATABASE_URL = 'postgres://cashsouk_auth@db:5432/cashsouk_auth'

interface Service {
  image?: string
  build?: string
  environment?: Record<string, string | number | null>
  depends_on?: Record<string, { condition: string }>
  ports?: string[]
  volumes?: string[]
  networks?: string[]
  healthcheck?: { test: string[] }
  logging?: { options: Record<string, string> }
  [key: string]: unknown
}
interface Compose {
  services: { api: Service, db: Service }
  networks: Record<string, { internal?: boolean } | null>
}

const compose = async (path: string) => parse(await text(path), { strict: true, uniqueKeys: true }) as Compose

/** The variables of a service's container, as Compose fills them in. */
function environment (
  { environment: declared = {} }: Service,
  env: Record<string, string>
): Record<string, string> {
  const filled: Record<string, string> = {}
  for (const [name, value] of Object.entries(declared)) {
    if (value !== null) filled[name] = interpolate(String(value), env)
    else if (env[name] !== undefined) filled[name] = env[name]
  }
  return filled
}

/** Fills in the forms that these files use: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`. */
function interpolate (value: string, env: Record<string, string>): string {
  return value.replaceAll(
    /\$\{(\w+)(?::([-?])((?:[^${}]|\$\{\w+\})*))?\}/g,
    (_all, name: string, kind?: string, rest: string = '') => {
      const given = env[name] ?? ''
      if (given !== '') return given
      if (kind === '?') throw new Error(`required variable ${name} is missing a value: ${rest}`)
      return kind === '-' ? interpolate(rest, env) : ''
    }
  )
}

/** The stages of a Dockerfile, each with its instructions in order. */
function stages (source: string): string[][] {
  const lines = source
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const found: string[][] = []
  for (const line of lines) {
    if (line.startsWith('FROM ')) found.push([])
    found.at(-1)?.push(line)
  }
  return found
}

test('docker-compose.yml passes exactly the server\'s variables', async (t) => {
  const { services: { api } } = await compose('docker-compose.yml')

  t.same(Object.keys(api.environment ?? {}).sort(), [...variableNames, ...DRIVER_ONLY].sort())
})

test('docker-compose.yml keeps the server\'s defaults', async (t) => {
  const { services: { api } } = await compose('docker-compose.yml')

  t.same(
    loadConfig(environment(api, answers)),
    loadConfig({ ...answers, NODE_ENV: 'production', DATABASE_URL })
  )
})

test('docker-compose.yml passes the given values', async (t) => {
  const { services: { api } } = await compose('docker-compose.yml')
  const other = {
    PORT: '3100',
    LOG_LEVEL: 'debug',
    TRUST_PROXY: '10.0.0.0/8',
    DATABASE_URL: 'postgres://a:b@db.example.com/c',
    DATABASE_POOL_MAX: '7',
    DATABASE_PREPARED_STATEMENTS: 'true',
    SESSION_TTL: '1',
    SESSION_ABSOLUTE_TTL: '2',
    SESSION_TOUCH_INTERVAL: '3',
    SESSION_PRUNE_INTERVAL: '4',
    SESSION_HASH_IDS: 'false',
    LOGIN_TTL: '5',
    COOKIE_NAME: 'sid',
    COOKIE_DOMAIN: 'example.com',
    COGNITO_ISSUER: 'https://issuer.example.com',
    COGNITO_CLIENT_SECRET: 'one,two',
    COGNITO_SCOPES: 'openid',
    ROLES: 'A,B',
    OPEN_ROLES: 'B',
    ROLE_CLAIM: 'custom:groups',
    ROLE_MAP: 'admins=A',
    USER_CLAIMS: 'locale,custom:company',
    RETURN_ORIGINS: 'https://a.example.com',
    LOGOUT_URL: 'https://example.com/bye',
    LOGIN_RATE_LIMIT: '0',
    HTTPS_PROXY: 'http://proxy.example.com:3128',
    NO_PROXY: '.internal'
  }

  const filled = environment(api, { ...answers, ...other })

  t.match(filled, other)
  t.same(loadConfig(filled), loadConfig({ ...answers, ...other, NODE_ENV: 'production' }))
})

test('docker-compose.yml names a missing required variable', async (t) => {
  const { services: { api, db } } = await compose('docker-compose.yml')

  for (const name of REQUIRED) {
    t.throws(() => environment(api, { ...answers, [name]: '' }), {
      message: new RegExp(`^required variable ${name} is missing a value: \\w+`)
    })
  }
  t.throws(() => environment(db, { ...answers, POSTGRES_PASSWORD: '' }), {
    message: /POSTGRES_PASSWORD/
  })
})

test('docker-compose.yml runs PostgreSQL 18 on an internal network', async (t) => {
  const { services: { api, db }, networks } = await compose('docker-compose.yml')

  t.equal(api.build, '.')
  t.equal(db.image, 'postgres:18')
  t.match(api.depends_on, { db: { condition: 'service_healthy' } })
  t.match(db.healthcheck?.test, ['CMD', 'pg_isready'])
  t.equal(db.ports, undefined)
  t.same(db.networks, ['database'])
  t.equal(networks.database?.internal, true)
  t.ok(
    db.volumes?.includes('postgres:/var/lib/postgresql'),
    'the data directory of the image of version 18'
  )
  t.ok(db.volumes?.includes('./deploy/postgres/init.sql:/docker-entrypoint-initdb.d/init.sql:ro'))
})

test('docker-compose.yml restricts privileges, files and ports', async (t) => {
  const { services: { api } } = await compose('docker-compose.yml')

  t.match(api, { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  for (const port of api.ports ?? []) t.match(port, /^127\.0\.0\.1:/)
})

test('Compose and ECS allow the server time to shut down', async (t) => {
  const { services: { api } } = await compose('docker-compose.yml')
  const {
    containerDefinitions: [container]
  } = JSON.parse(await text('deploy/ecs/task-definition.json')) as TaskDefinition

  t.match(await text('src/serve.ts'), `GRACE_MS = ${GRACE}_000`)
  const { DRAIN_SECONDS } = loadConfig({ NODE_ENV: 'production', DATABASE_URL, ...answers })
  t.equal(environment(api, answers).DRAIN_SECONDS, String(DRAIN_SECONDS))
  t.ok(Number(/^(\d+)s$/.exec(String(api.stop_grace_period))?.[1]) > DRAIN_SECONDS + GRACE)
  t.ok(Number(container?.stopTimeout) > DRAIN_SECONDS + GRACE)
})

test('init.sql creates a limited role that can create the table', async (t) => {
  const postgres = await stoppablePostgres(t)
  const admin = new pg.Client(postgres.url)
  await admin.connect()
  t.teardown(() => admin.end())
  const script = (await text('deploy/postgres/init.sql')).replace(/^--.*\n/gm, '')

  t.match(script, /^\\getenv password POSTGRES_PASSWORD$/m)
  // Like psql: one statement at a time, with the variable filled in.
  const statements = script
    .replace(/^\\getenv.*$/m, '')
    .replace(':\'password\'', `'${answers.POSTGRES_PASSWORD}'`)
    .split(/;\n/)
  for (const statement of statements.slice(0, -1)) await admin.query(statement)

  const url = Object.assign(new URL(DATABASE_URL), {
    host: new URL(postgres.url).host,
    password: answers.POSTGRES_PASSWORD
  }).href
  const store = new PgSessionStore({ conString: url, pruneSessionInterval: false })
  t.teardown(() => store.close())
  await store.createTable()
  const role = new pg.Client(url)
  await role.connect()
  t.teardown(() => role.end())
  const { rows } = await role.query(`
    SELECT
      rolsuper,
      current_setting('statement_timeout') AS statement,
      current_setting('lock_timeout') AS lock,
      current_setting('idle_in_transaction_session_timeout') AS idle,
      current_setting('timezone') AS zone
    FROM pg_roles
    WHERE rolname = current_user`)
  t.same(rows, [{ rolsuper: false, statement: '2500ms', lock: '1500ms', idle: '4s', zone: 'UTC' }])
  await t.rejects(
    async () => {
      await new pg.Client(postgres.url).connect()
    },
    { code: '28P01' },
    'the superuser has no password'
  )
})

test('docker-compose.prod.yml needs DATABASE_URL and sets limits', async (t) => {
  const { services: { api } } = await compose('docker-compose.prod.yml')

  t.match(environment(api, { ...answers, DATABASE_URL: 'postgres://a:b@c/d' }), { DATABASE_URL: 'postgres://a:b@c/d' })
  t.throws(() => environment(api, answers), { message: /DATABASE_URL/ })
  t.equal(api.restart, 'unless-stopped')
  t.match(api, { cpus: Number, mem_limit: String, pids_limit: Number })
  t.match(api.logging?.options, { 'max-size': String, 'max-file': String })
})

test('docker-compose.prod.yml stands alone, with what docker-compose.yml says of the api', async (t) => {
  const bundled = await compose('docker-compose.yml')
  const external = await compose('docker-compose.prod.yml')
  const { cpus, mem_limit: memory, pids_limit: pids, logging, ...api } = external.services.api
  const { depends_on: dependsOn, networks, ...same } = bundled.services.api

  t.same(Object.keys(external), ['services'])
  t.same(Object.keys(external.services), ['api'])
  t.same(
    { ...api, environment: { ...api.environment, DATABASE_URL: '' } },
    { ...same, environment: without({ ...same.environment, DATABASE_URL: '' }, DRIVER_ONLY) }
  )
})

const without = (object: Record<string, unknown>, names: string[]) =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))

test('Both services start again after a crash or a reboot', async (t) => {
  const { services } = await compose('docker-compose.yml')

  t.match(services, { api: { restart: 'unless-stopped' }, db: { restart: 'unless-stopped' } })
})

test('The driver takes the password of the bundled PostgreSQL from PGPASSWORD', async (t) => {
  const { services: { api } } = await compose('docker-compose.yml')
  const filled = environment(api, answers)

  t.equal(filled.DATABASE_URL, DATABASE_URL)
  t.equal(filled.PGPASSWORD, answers.POSTGRES_PASSWORD)
  const before = process.env.PGPASSWORD
  process.env.PGPASSWORD = filled.PGPASSWORD
  t.teardown(() => {
    if (before === undefined) delete process.env.PGPASSWORD
    else process.env.PGPASSWORD = before
  })
  t.equal(new pg.Client(filled.DATABASE_URL).password, answers.POSTGRES_PASSWORD)
})

test('.env.example explains every variable, once', async (t) => {
  const source = await text('.env.example')
  const names = [...source.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name)

  t.same(names.sort(), [...variableNames, ...COMPOSE_ONLY].sort())
  for (const [, comment, line] of source.matchAll(/^(.*)\n([A-Z_]+=.*)$/gm)) {
    t.match(comment, /^# .{10,}/, line ?? '')
  }
})

test('.env.example states the defaults and works with Compose', async (t) => {
  const { services: { api } } = await compose('docker-compose.yml')
  const example = envFile(await text('.env.example'))
  const blanks = Object.fromEntries(BLANK.map((name) => [name, example[name]]))

  t.same(Object.values(blanks), BLANK.map(() => ''), 'no secrets and no addresses')
  t.same(
    loadConfig(environment(api, { ...example, ...answers })),
    loadConfig({ ...answers, NODE_ENV: 'production', DATABASE_URL })
  )
})

interface TaskDefinition {
  containerDefinitions: {
    user: string
    readonlyRootFilesystem: boolean
    stopTimeout: number
    healthCheck: { command: string[] }
    logConfiguration: { logDriver: string }
    environment: { name: string, value: string }[]
    secrets: { name: string, valueFrom: string }[]
  }[]
}

test('The ECS task definition takes secrets from Secrets Manager', async (t) => {
  const source = await text('deploy/ecs/task-definition.json')
  const { containerDefinitions: [container] } = JSON.parse(source) as TaskDefinition
  if (container === undefined) throw new Error('no container')
  const plain = Object.fromEntries(container.environment.map(({ name, value }) => [name, value]))
  const secret = container.secrets.map(({ name }) => name)

  for (const name of [...Object.keys(plain), ...secret]) t.ok(variableNames.includes(name), name)
  t.same(secret.sort(), ['COGNITO_CLIENT_SECRET', 'DATABASE_URL', 'SESSION_SECRET'])
  for (const { name, valueFrom } of container.secrets) {
    t.match(
      valueFrom,
      new RegExp(`^arn:aws:secretsmanager:[^:]+:123456789012:secret:[^:]+:${name}::$`)
    )
  }
  t.match(
    loadConfig({
      ...plain,
      DATABASE_URL,
      SESSION_SECRET: answers.SESSION_SECRET,
      COGNITO_CLIENT_SECRET: 'example'
    }),
    { production: true, HOST: '0.0.0.0' }
  )
  for (const [number] of source.matchAll(/\b\d{12}\b/g)) t.equal(number, '123456789012')
  t.match(container, {
    user: 'node',
    readonlyRootFilesystem: true,
    logConfiguration: { logDriver: 'awslogs' }
  })
})

test('Docker and ECS use the same health check, with a timeout', async (t) => {
  const { containerDefinitions: [container] } =
    JSON.parse(await text('deploy/ecs/task-definition.json')) as TaskDefinition
  const [, health = ''] =
    /^HEALTHCHECK .*CMD (\[.*\])$/m.exec((await text('Dockerfile')).replaceAll(/\\\n\s*/g, '')) ??
    []

  const command = JSON.parse(health) as string[]

  t.same(container?.healthCheck.command, ['CMD', ...command])
  t.same(command.slice(0, 2), ['node', '-e'])
  t.match(command[2], /\/health\/live.*AbortSignal\.timeout\(/)
})

test('The image has only compiled code and production dependencies', async (t) => {
  const all = stages(await text('Dockerfile'))
  const final = all.at(-1) ?? []

  t.equal(all.length, 3)
  for (const [from] of all) t.match(from, /^FROM node:24-slim( AS \w+)?$/)
  t.same(final.filter((line) => /^(COPY|ADD) /.test(line)), [
    'COPY --from=dependencies /app/node_modules node_modules',
    'COPY --from=build /app/dist/index.js dist/index.js',
    'COPY --from=build /app/dist/src dist/src',
    'COPY --from=build /app/dist/bundle dist/bundle',
    'COPY --from=build /app/dist/plugins dist/plugins',
    'COPY --from=build /app/dist/routes dist/routes',
    'COPY package.json ./',
    'COPY deploy/image /usr/local/bin'
  ])
  const stage = (name: string) => all.find(([from]) => from?.endsWith(` AS ${name}`))?.join('\n')
  t.match(stage('build'), /^RUN npm ci\b(?!.*--omit=dev)[\s\S]*^RUN npm run build$/m)
  t.match(stage('dependencies'), /^RUN npm ci --omit=dev\b/m)
  t.notMatch(await text('Dockerfile'), /\b(curl|wget)\b/)
  t.same(all.flat().filter((line) => line.includes('apt-get')), final.filter((line) => line.startsWith('RUN ')))
  t.same(final.filter((line) => line.startsWith('RUN ')), [
    'RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client ' +
    '&& rm -rf /var/lib/apt/lists/*'
  ])
})

test('The image runs node in production as an unprivileged user', async (t) => {
  const final = stages(await text('Dockerfile')).at(-1) ?? []

  for (const line of [
    'ENV NODE_ENV=production', 'ENV PGTZ=UTC', 'USER node', 'EXPOSE 3000', 'STOPSIGNAL SIGTERM',
    'CMD ["node", "dist/src/server.js"]'
  ]) {
    t.equal(final.filter((other) => other === line).length, 1, line)
  }
  t.ok(
    final.indexOf('USER node') > final.findLastIndex((line) => /^(COPY|RUN) /.test(line)),
    'the user does not own the files'
  )
})

test('The build context holds only what the Dockerfile copies', async (t) => {
  const [all, ...allowed] = (await text('.dockerignore'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const copied = stages(await text('Dockerfile')).flat()
    .flatMap((line) => /^COPY (?!--)(.*) \S+$/.exec(line)?.[1]?.split(' ') ?? [])

  t.equal(all, '*')
  t.same(allowed.sort(), [...new Set(copied)].map((path) => `!${path}`).sort())
})
