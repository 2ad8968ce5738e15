import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { test, type Test } from 'tap'
import { startCognito } from '../../../local/cognito/index.js'
import { freePort } from '../../../local/free-port.js'
import { PgSessionStore } from '../../../src/sessions/store.js'
import { certificate } from '../../support/certificate.js'
import { cli } from '../../support/cli.js'
import { keyFolder } from '../../support/cognito.js'
import { database, type Database } from '../../support/database.js'

interface Finding { status: string, name: string, message: string, advice?: string }

const SECRET = 'a-session-secret-of-a-test-of-32-characters'
const PASSWORD = 'the-password-of-a-test'

const ENV = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'http://localhost:3000',
  SESSION_SECRET: SECRET,
  COGNITO_ISSUER: 'http://127.0.0.1:1/pool',
  COGNITO_DOMAIN: 'http://127.0.0.1:1',
  COGNITO_CLIENT_ID: 'client'
}

async function findings (env: NodeJS.ProcessEnv, args: string[] = []): Promise<Finding[]> {
  const { code, stdout, stderr, json } = await cli(['check', '--json', ...args], { env: { ...ENV, ...env } })
  const { ok, findings: found } = json<{ ok: boolean, findings: Finding[] }>()
  const failed = found.filter(({ status }) => status === 'fail').length
  if (ok !== (failed === 0) || code !== (failed === 0 ? 0 : 1)) throw new Error(`exit code ${code}`)
  if (failed > 0 && !/^error: \d+ of \d+ checks? failed\n$/.test(stderr)) throw new Error(stderr)
  for (const secret of [SECRET, PASSWORD]) if ((stdout + stderr).includes(secret)) throw new Error('a secret is told')
  return found
}

const named = (found: readonly Finding[], name: string): Finding[] => found.filter((finding) => finding.name === name)

/** What `check` says of a database that cannot be connected to. */
const refusal = async (url: string): Promise<Finding | undefined> => {
  const found = named(await findings({ DATABASE_URL: url }), 'database')
  return found.length === 1 ? found[0] : undefined
}

/** A server that refuses every connection as PostgreSQL does, with an error of this SQLSTATE. */
async function refusing (t: Test, state: string, message: string): Promise<string> {
  return listen(t, (socket) => {
    socket.once('data', () => {
      const fields = Buffer.from(`SFATAL\0VFATAL\0C${state}\0M${message}\0\0`)
      const head = Buffer.alloc(5)
      head.write('E')
      head.writeInt32BE(fields.length + 4, 1)
      socket.end(Buffer.concat([head, fields]))
    })
  })
}

async function listen (t: Test, serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `postgres://cashsouk_auth:${PASSWORD}@localhost:${(server.address() as AddressInfo).port}/sessions`
}

test('A database in order has only ok, and warnings for what the role does not set', async (t) => {
  const db = await table(t)

  const found = await findings({ DATABASE_URL: db.url })

  t.match(named(found, 'database'), [{ status: 'ok', message: /^PostgreSQL \d+.*, database test_\w+, role postgres$/ }])
  t.same(named(found, 'columns'), [])
  for (const name of ['primary', 'table', 'privileges', 'time zone', 'clock', 'connections', 'encryption']) {
    t.match(named(found, name), [{ status: 'ok' }], name)
  }
  t.same(named(found, 'role time-outs').map(({ advice }) => advice), [
    'ALTER ROLE postgres SET statement_timeout = \'2500ms\';',
    'ALTER ROLE postgres SET lock_timeout = \'1500ms\';',
    'ALTER ROLE postgres SET idle_in_transaction_session_timeout = \'4s\';'
  ])
})

async function table (t: Test): Promise<Database> {
  const db = await database(t)
  const store = new PgSessionStore({ conString: db.url, pruneSessionInterval: false })
  await store.createTable()
  await store.close()
  return db
}

test('Each variable that is missing or wrong has a line', async (t) => {
  const found = await findings({ COGNITO_CLIENT_ID: '', SESSION_TTL: 'soon', DATABASE_URL: 'mysql://db' })

  const begins = named(found, 'variables').map(({ status, message }) => `${status} ${message.split(' ', 3).join(' ')}`)
  t.same(begins.sort(), ['fail COGNITO_CLIENT_ID is missing:', 'fail DATABASE_URL must be', 'fail SESSION_TTL must be'])
})

test('A host without an address, and a port on which nothing listens, are told apart', async (t) => {
  t.match(await refusal(`postgres://a:${PASSWORD}@no-such-host.invalid/db`), {
    status: 'fail', message: /no-such-host\.invalid has no address in DNS/, advice: /name/
  })
  t.match(await refusal(`postgres://a:${PASSWORD}@127.0.0.1:1/db`), {
    status: 'fail', message: /refused \(ECONNREFUSED\)/, advice: /nothing listens/
  })
})

test('A server that does not answer is given up', async (t) => {
  const url = await listen(t, () => {})
  const beganMs = performance.now()

  t.match(await refusal(url), { status: 'fail', message: 'no answer in time', advice: /firewall/ })
  t.ok(performance.now() - beganMs < 15_000)
})

for (const [title, state, message, expected] of [
  [
    'a server that wants TLS', '28000',
    'no pg_hba.conf entry for host "192.0.2.1", user "a", database "sessions", no encryption',
    { message: /no connection without TLS/, advice: /sslmode=verify-full/ }
  ],
  [
    'an address that pg_hba.conf does not have', '28000',
    'no pg_hba.conf entry for host "192.0.2.1", user "a", database "sessions", SSL encryption',
    { message: /no pg_hba\.conf entry/, advice: /pg_hba\.conf/ }
  ],
  ['a role that is missing', '28000', 'role "a" does not exist', { message: /role "a"/, advice: /create the role/ }],
  ['a wrong password', '28P01', 'password authentication failed for user "a"', { message: /28P01/, advice: /percent/ }],
  ['a database that is missing', '3D000', 'database "sessions" does not exist', { advice: /create it/ }],
  ['no connection left', '53300', 'sorry, too many clients already', { advice: /max_connections/ }],
  ['no privilege to connect', '42501', 'permission denied for database "sessions"', { advice: /grant it/ }],
  ['a database that is starting', '57P03', 'the database system is starting up', { advice: /try again/ }]
] as const) {
  test(`The database: ${title}`, async (t) => {
    t.match(await refusal(await refusing(t, state, message)), { status: 'fail', ...expected })
  })
}

test('A certificate of an unknown authority, and one for another host, are named', async (t) => {
  const { key, cert, file } = certificate(t, 'database.example')
  const secureContext = createSecureContext({ key, cert })
  const url = await listen(t, (socket) => {
    socket.once('data', () => {
      socket.write('S')
      new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {})
    })
  })

  t.match(await refusal(`${url}?sslmode=verify-full`), {
    status: 'fail', message: /authority that this machine does not know .*: database\.example$/, advice: /sslrootcert/
  })
  t.match(await refusal(`${url}?sslmode=verify-full&sslrootcert=${file}`), {
    status: 'fail', message: 'the certificate is for database.example, and not for localhost', advice: /host name/
  })
})

test('A server without TLS is told where TLS is asked for', async (t) => {
  const url = await listen(t, (socket) => { socket.once('data', () => { socket.write('N') }) })

  t.match(await refusal(`${url}?sslmode=verify-full`), { status: 'fail', message: 'the server does not offer TLS' })
})

test('A missing table is a warning where the role may create it, else a failure', async (t) => {
  const db = await database(t)
  t.match(named(await findings({ DATABASE_URL: db.url }), 'table'), [{ status: 'warn', message: /no table session/ }])

  const reader = await role(t, db)
  t.match(named(await findings({ DATABASE_URL: reader }), 'table'), [
    { status: 'fail', message: /may not create it/, advice: /cashsouk-auth schema/ }
  ])
  await db.query('CREATE SCHEMA hidden; CREATE TABLE hidden.session ()')
  t.match(named(await findings({ DATABASE_URL: reader }), 'table'), [
    { status: 'fail', message: /in hidden, which is not on the search path/, advice: /search_path/ }
  ])
})

/** The URL of a role that may do nothing. */
async function role (t: Test, db: Database): Promise<string> {
  const name = `reader_${process.pid}_${Math.random().toString(36).slice(2)}`
  await db.query(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`) })
  return Object.assign(new URL(db.directUrl), { username: name, password: PASSWORD }).href
}

test('Missing privileges are named', async (t) => {
  const db = await table(t)
  const url = await role(t, db)
  const name = new URL(url).username
  await db.query(`GRANT SELECT, INSERT ON session TO ${name}`)

  t.match(named(await findings({ DATABASE_URL: url }), 'privileges'), [{
    status: 'fail', message: 'the role lacks UPDATE, DELETE on session',
    advice: `GRANT UPDATE, DELETE ON "session" TO ${name};`
  }])
})

test('Columns that differ are named', async (t) => {
  const db = await database(t)
  await db.query('CREATE TABLE session (sid varchar PRIMARY KEY, sess bytea, expire timestamp(6))')
  t.match(named(await findings({ DATABASE_URL: db.url }), 'columns'), [{ status: 'fail', message: /sess.* bytea/ }])

  await db.query('ALTER TABLE session ALTER COLUMN sess TYPE json USING \'{}\'::json')
  t.same(named(await findings({ DATABASE_URL: db.url }), 'table').map(({ status }) => status), ['ok', 'warn', 'warn'])
})

test('Connections beyond those of the database are told for that number of instances', async (t) => {
  const db = await table(t)
  const [row] = await db.query('SELECT current_setting(\'max_connections\')::int AS max')
  const max = row?.['max'] as number
  const of = async (instances: number) => {
    const env = { DATABASE_URL: db.url, DATABASE_POOL_MAX: '10' }
    return named(await findings(env, ['--instances', String(instances)]), 'connections')
  }

  t.match(await of(Math.floor(max / 10) + 1), [{ status: 'fail', advice: /max_connections/ }])
  t.match(await of(Math.floor(max / 20) + 1), [{ status: 'warn', message: /rolling deployment/ }])
  t.match(await of(1), [{ status: 'ok' }])
})

test('A clock that is more than 30 s off is told, and by how much', async (t) => {
  const db = await table(t)
  const now = Date.now.bind(Date)
  t.intercept(Date, 'now', { value: () => now() - 600_000 })

  t.match(named(await findings({ DATABASE_URL: db.url }), 'clock'), [
    { status: 'fail', message: /^this machine is (10 min|9 min 59 s).* behind the database$/ }
  ])
})

test('A client, a callback URL and a secret that the user pool knows are ok', async (t) => {
  const pool = await userPool(t)

  const found = await findings(pool)

  for (const name of ['keys', 'domain', 'client', 'callback', 'client secret']) {
    t.match(named(found, name), [{ status: 'ok' }], name)
  }
})

async function userPool (t: Test): Promise<Record<string, string>> {
  const pool = await startCognito({
    port: 0, dataDir: await keyFolder(), redirectUris: ['http://localhost:3000/api/auth/callback'], logoutUris: []
  })
  t.teardown(() => pool.close())
  return {
    COGNITO_ISSUER: pool.issuer,
    COGNITO_DOMAIN: pool.origin,
    COGNITO_CLIENT_ID: pool.clientId,
    COGNITO_CLIENT_SECRET: pool.clientSecret
  }
}

test('A client, a callback URL or a secret that the user pool does not know is told', async (t) => {
  const pool = await userPool(t)

  t.match(named(await findings({ ...pool, PUBLIC_URL: 'http://localhost:3001' }), 'callback'), [{
    status: 'fail', message: 'the callback URL http://localhost:3001/api/auth/callback is not registered'
  }])
  t.match(named(await findings({ ...pool, COGNITO_CLIENT_SECRET: 'wrong' }), 'client secret'), [{ status: 'fail' }])
  const unknown = await findings({ ...pool, COGNITO_CLIENT_ID: 'unknown' })
  t.match(named(unknown, 'client'), [{ status: 'fail', message: 'the client is unknown' }])
  t.match(named(unknown, 'callback'), [{ status: 'unknown' }])
})

test('Keys that cannot be read: refused, DNS, status, not JSON, empty', async (t) => {
  const keysOf = async (issuer: string) => named(await findings({ COGNITO_ISSUER: issuer }), 'keys')

  t.match(await keysOf(`http://127.0.0.1:${await freePort()}/pool`), [{ status: 'fail', message: /ECONNREFUSED/ }])
  t.match(await keysOf('https://no-such-host.invalid/pool'), [{ status: 'fail', message: /no address in DNS/ }])
  t.match(await keysOf(await http(t, (_request, response) => { response.writeHead(404).end() })), [
    { status: 'fail', message: /status 404$/, advice: /COGNITO_USER_POOL_ID/ }
  ])
  t.match(await keysOf(await http(t, (_request, response) => { response.end('<html>') })), [
    { status: 'fail', message: /not a JSON Web Key Set$/ }
  ])
  t.match(await keysOf(await http(t, (_request, response) => { response.end('{"keys":[]}') })), [
    { status: 'fail', message: /empty$/ }
  ])
})

async function http (t: Test, listener: RequestListener): Promise<string> {
  const server = createHttpServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

// The answers of Cognito itself, as far as AWS documents them or users quote them.
for (const [title, location, expected] of [
  ['its sign-in page', '/login?client_id=client', { client: 'ok', callback: 'ok' }],
  ['redirect_mismatch', '/error?error=redirect_mismatch&client_id=client', { client: 'ok', callback: 'fail' }],
  ['a client that does not exist', '/error?error=Client+does+not+exist.', { client: 'fail', callback: 'unknown' }],
  ['another error', '/error?error=something', { client: 'unknown', callback: 'unknown' }],
  [
    'invalid_scope', 'http://localhost:3000/api/auth/callback?error=invalid_scope',
    { client: 'ok', callback: 'ok', login: 'fail' }
  ]
] as const) {
  test(`A login that is redirected to ${title}`, async (t) => {
    const origin = await http(t, (_request, response) => { response.writeHead(302, { location }).end() })

    const found = await findings({ COGNITO_DOMAIN: origin })

    const names = ['client', 'callback', 'login']
    const told = found.filter(({ name }) => names.includes(name))
    t.same(Object.fromEntries(told.map(({ name, status }) => [name, status])), expected)
  })
}

test('For people, a line begins with its status', async (t) => {
  const { code, stdout, stderr } = await cli(['check'], { env: { ...ENV, DATABASE_URL: 'postgres://a@127.0.0.1:1/b' } })

  t.equal(code, 1)
  t.match(stdout, /^ok +variables +7 set, all well-formed\nfail +database +the connection was refused/)
  t.notMatch(stdout, '\u001b')
  t.match(stderr, /^error: 3 of 5 checks failed\n$/)
})

test('Colours are for terminals, and not with NO_COLOR or TERM=dumb', async (t) => {
  const env = { ...ENV, DATABASE_URL: 'postgres://a@127.0.0.1:1/b' }

  t.match((await cli(['check'], { env, isTerminal: true })).stdout, '\u001b[32mok')
  t.notMatch((await cli(['check'], { env: { ...env, NO_COLOR: '1' }, isTerminal: true })).stdout, '\u001b')
  t.notMatch((await cli(['check'], { env: { ...env, TERM: 'dumb' }, isTerminal: true })).stdout, '\u001b')
})
