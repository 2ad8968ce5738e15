import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { t as file, test, type Test } from 'tap'
import { findBinaries, movedTo, restoreLinks } from '../../local/postgres/binaries.js'
import { explained } from '../../local/postgres/error.js'
import { startPostgres } from '../../local/postgres/index.js'
import { withLock } from '../../local/postgres/lock.js'
import { isAlive } from '../../local/postgres/processes.js'
import { runnable } from '../../local/postgres/unprivileged.js'
import { postgresUser } from '../support/postgres-user.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'

/** As root, the server runs as another user; tests say where that matters. */
const isRoot = process.getuid?.() === 0

/** Data that the tests share, one after another. */
const dataDir = mkdtempSync(join(tmpdir(), 'local-postgres-'))
file.teardown(() => { rmSync(dataDir, { recursive: true, force: true }) })

/** The server on the shared data, for one test. */
async function start (t: Test, options: Partial<Parameters<typeof startPostgres>[0]> = {}) {
  const server = await startPostgres({ dataDir, port: 0, durable: false, ...options })
  t.teardown(() => server.close())
  return server
}

async function query (url: string, sql: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<pg.QueryResultRow>(sql)).rows
  } finally {
    await client.end()
  }
}

function folder (t: Test, parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, 'local-postgres-'))
  t.teardown(() => { rmSync(dir, { recursive: true, force: true }) })
  return dir
}

/** Asserts a one-line error that names the problem and the solution. */
async function failsInOneLine (t: Test, promise: Promise<unknown>, ...parts: RegExp[]) {
  const err = await promise.then(() => new Error('it worked'), (reason: unknown) => reason as Error)
  t.equal(err.name, 'LocalPostgresError', err.message)
  t.notMatch(err.message, /\n/)
  for (const part of [...parts, /DATABASE_URL/]) t.match(err.message, part)
}

test('a developer\'s database is in UTC, so that expire can be compared with now()', async (t) => {
  const { url } = await start(t, { durable: true })

  // Not by chance: initdb takes the zone of the machine.
  t.same(await query(url, 'SELECT setting, source FROM pg_settings WHERE name = \'TimeZone\''), [
    { setting: 'UTC', source: 'command line' }
  ])
})

test('data survives a restart', async (t) => {
  const first = await start(t, { durable: true })
  await query(first.url, 'CREATE TABLE kept (a int)')
  await first.close()
  t.notOk(isAlive(first.pid))

  const second = await start(t)

  t.not(second.pid, first.pid)
  t.same(await query(second.url, 'SELECT count(*)::int AS n FROM kept'), [{ n: 0 }])
})

test('the server listens on 127.0.0.1 with 200 connections', async (t) => {
  const { url } = await start(t)
  t.match(url, /^postgres:\/\/postgres:[0-9a-f]{48}@127\.0\.0\.1:\d+\/cashsouk$/)
  t.match(await query(url, `SELECT name, setting FROM pg_settings WHERE name IN
    ('listen_addresses', 'max_connections', 'server_encoding', 'unix_socket_directories') ORDER BY name`), [
    { name: 'listen_addresses', setting: '127.0.0.1' },
    { name: 'max_connections', setting: '200' },
    { name: 'server_encoding', setting: 'UTF8' },
    { name: 'unix_socket_directories', setting: '' }
  ])
  t.same(await query(url, 'SELECT lower(\'É\') AS e'), [{ e: 'é' }])
})

test('the server requires a password readable by its owner', async (t) => {
  const { url } = await start(t)
  await t.rejects(query(url.replace(/:[0-9a-f]{48}@/, ':guess@'), 'SELECT'), { code: '28P01' })
  t.equal(statSync(join(dataDir, 'password')).mode & 0o777, 0o600)
})

test('close() may be called again', async (t) => {
  const server = await start(t)
  await Promise.all([server.close(), server.close()])
  t.notOk(isAlive(server.pid))

  const turns = readdirSync(join(dataDir, 'turns'))
  await t.resolves(server.close())
  t.same(readdirSync(join(dataDir, 'turns')), turns, 'without effect')
})

test('the last of two processes stops the server', async (t) => {
  const other = await postgresUser(t, dataDir)
  const server = await start(t)
  t.equal(server.pid, other.server.pid)

  await other.close()
  t.same(await query(server.url, 'SELECT 1 AS a'), [{ a: 1 }])

  await server.close()
  t.notOk(isAlive(server.pid))
})

test('concurrent starts never get a server that is stopping', async (t) => {
  await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    await sleep(i * 20)
    const server = await start(t)
    t.same(await query(server.url, 'SELECT 1 AS a'), [{ a: 1 }])
    await server.close()
  }))
  t.notOk(existsSync(join(dataDir, 'cluster/postmaster.pid')))
})

test('the next process takes over the server of a killed one', async (t) => {
  const other = await postgresUser(t, dataDir)
  other.signal('SIGKILL')
  await other.ended
  t.ok(isAlive(other.server.pid))

  const server = await start(t)
  t.equal(server.pid, other.server.pid)
  t.equal(server.url, other.server.url)

  await server.close()
  t.notOk(isAlive(server.pid))
})

test('Ctrl-C in the terminal does not reach the server', async (t) => {
  const other = await postgresUser(t, dataDir)
  other.signal('SIGINT')
  await sleep(100)
  t.same(await query(other.server.url, 'SELECT 1 AS a'), [{ a: 1 }])
  await other.close()
  t.notOk(isAlive(other.server.pid))
})

test('the server survives an exit without close()', async (t) => {
  const other = await postgresUser(t, dataDir, 'forget')
  await other.ended
  t.ok(isAlive(other.server.pid))
  await (await start(t)).close()
  t.notOk(isAlive(other.server.pid))
})

for (const whose of ['no process', 'another program']) {
  test(`a postmaster.pid that names ${whose} is ignored`, async (t) => {
    const server = await start(t)
    const pidFile = join(dataDir, 'cluster/postmaster.pid')
    const content = readFileSync(pidFile, 'utf8')
    await server.close()
    const { uid, gid } = statSync(join(dataDir, 'cluster'))
    const program = spawn('sleep', ['30'], { uid, gid })
    t.teardown(() => program.kill())
    await once(program, 'spawn')
    if (whose === 'no process') {
      program.kill()
      await once(program, 'exit')
    }
    writeFileSync(pidFile, content.replace(String(server.pid), String(program.pid)))
    chownSync(pidFile, uid, gid)

    const next = await start(t)

    t.same(await query(next.url, 'SELECT 1 AS a'), [{ a: 1 }])
    t.equal(program.killed, whose === 'no process')
  })
}

test('a lock or lease of a killed process is ignored', async (t) => {
  const dead = spawn('true')
  await once(dead, 'exit')
  writeFileSync(join(dataDir, 'turns/1000000'), `${dead.pid} then`)
  writeFileSync(join(dataDir, 'leases/dead'), `${dead.pid} then`)
  writeFileSync(join(dataDir, 'leases/reborn'), `${process.pid} an earlier start`)

  const server = await start(t)
  await server.close()

  t.notOk(isAlive(server.pid))
})

test('after the postmaster is killed, a start waits for its children', async (t) => {
  const server = await start(t)
  const client = new pg.Client(server.url)
  client.on('error', () => {})
  await client.connect()
  const { rows: [busy] } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  client.query('DO $$ BEGIN LOOP END LOOP; END $$').catch(() => {}) // it does not notice the loss
  await sleep(50)
  process.kill(server.pid, 'SIGKILL')

  const next = start(t)
  await sleep(300)
  process.kill(busy?.pid ?? NaN, 'SIGKILL')

  t.same(await query((await next).url, 'SELECT 1 AS a'), [{ a: 1 }])
})

test('a server that ends right after it was found is restarted', async (t) => {
  const server = await start(t)
  process.kill(server.pid, 'SIGSTOP') // it is found, and does not answer

  const next = start(t)
  await sleep(300)
  process.kill(server.pid, 'SIGKILL')

  t.same(await query((await next).url, 'SELECT 1 AS a'), [{ a: 1 }])
})

test('a zombie process is not alive', async (t) => {
  const parent = spawn('sh', ['-c', 'sleep 1 & echo $!; exec sleep 30'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => parent.kill())
  const [line] = await once(parent.stdout, 'data') as [Buffer]
  const pid = Number(line.toString())
  t.ok(isAlive(pid))
  await sleep(1500)
  t.equal(isAlive(pid), process.platform !== 'linux') // elsewhere the init process reaps the orphan
})

test('the lock has one holder at a time', async (t) => {
  const dir = folder(t)
  let inside = 0
  const most = await Promise.all(Array.from({ length: 20 }, () => withLock(dir, async () => {
    const now = ++inside
    await sleep(1)
    inside--
    return now
  })))
  t.same(new Set(most), new Set([1]))
})

test('an error releases the lock', async (t) => {
  const dir = folder(t)
  await t.rejects(withLock(dir, async () => { throw new Error('no') }), { message: 'no' })
  t.equal(await withLock(dir, async () => 'yes'), 'yes')
})

test('a long wait for the lock is a one-line error', async (t) => {
  const dir = folder(t)
  await withLock(dir, () => failsInOneLine(t, withLock(dir, async () => {}, 100), /for 0\.1 s/, /its id is in .*\/1\)/))
})

test('the preferred port is used if it is free', async (t) => {
  const program = createServer().listen(0, '127.0.0.1')
  await once(program, 'listening')
  const { port } = program.address() as AddressInfo

  const elsewhere = await start(t, { port })
  t.not(elsewhere.port, port)
  t.same(await query(elsewhere.url, 'SELECT 1 AS a'), [{ a: 1 }])
  await elsewhere.close()

  program.close()
  await once(program, 'close')
  t.equal((await start(t, { port })).port, port)
})

test('an interrupted first start is repeated', async (t) => {
  const cut = folder(t)
  mkdirSync(join(cut, 'cluster.new/base'), { recursive: true })
  writeFileSync(join(cut, 'password'), 'half a passw')
  const { url } = await start(t, { dataDir: cut })
  t.same(await query(url, 'SELECT 1 AS a'), [{ a: 1 }])
})

test('the logs of the last two starts are kept', async (t) => {
  await (await start(t)).close()
  await (await start(t)).close()
  for (const log of ['postgres.log', 'postgres.log.1']) {
    t.equal(readFileSync(join(dataDir, log), 'utf8').match(/starting PostgreSQL/g)?.length, 1, log)
  }
})

test('a checkout may be accessible to its owner only', async (t) => {
  const closed = folder(t)
  chmodSync(closed, 0o700)
  process.env['TMPDIR'] = folder(t)
  t.teardown(() => { delete process.env['TMPDIR'] })
  chmodSync(process.env['TMPDIR'], 0o1777)
  const installed = await findBinaries()
  cpSync(installed.native, join(closed, 'native'), { recursive: true, verbatimSymlinks: true })
  const binaries = movedTo(join(closed, 'native'), installed)

  const server = await start(t, { dataDir: join(closed, 'data'), binaries })

  const copy = join(process.env['TMPDIR'], `cashsouk-auth-postgres-${installed.version}-${process.arch}`)
  t.same(await query(server.url, 'SHOW data_directory'), [{
    data_directory: isRoot && process.platform === 'linux' ? '/proc/self/cwd' : join(closed, 'data/cluster')
  }])
  t.ok(existsSync(join(closed, 'data/cluster/PG_VERSION')), 'the data is in the checkout')
  t.equal(existsSync(copy), isRoot, 'only root needs a copy of the binaries')

  if (isRoot) rmSync(join(copy, 'share'), { recursive: true }) // as a cleaner of temporary folders would
  await server.close()
  await t.resolves(start(t, { dataDir: join(closed, 'data'), binaries }))
  t.equal(existsSync(join(copy, 'share')), isRoot)
})

test('a copy made by another user is not run', async (t) => {
  const installed = await findBinaries()
  if (!isRoot) {
    t.equal(runnable(installed, undefined), installed, 'the same user needs no copy')
    return
  }
  const closed = folder(t)
  const binaries = { ...movedTo(join(closed, 'native'), installed), version: `test-${process.pid}` }
  mkdirSync(join(closed, 'native/bin'), { recursive: true })
  writeFileSync(binaries.postgres, '#!/bin/sh\n', { mode: 0o755 })
  const planted = join(tmpdir(), `cashsouk-auth-postgres-${binaries.version}-${process.arch}`)
  t.teardown(() => { rmSync(planted, { recursive: true, force: true }) })
  mkdirSync(planted)
  chownSync(planted, 65534, 65534)

  const { native } = runnable(binaries, { uid: 65534, gid: 65534 })

  t.not(native, planted)
  rmSync(native, { recursive: true })
})

test('the links of npm\'s install script are restored', async (t) => {
  const { native } = await findBinaries()
  const root = folder(t)
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  const copy = movedTo(join(root, 'native'), await findBinaries())
  cpSync(native, copy.native, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.startsWith(join(native, 'share'))
  })
  for (const { target } of links) rmSync(join(root, target))
  const version = async () => (await once(spawn(copy.postgres, ['--version']), 'exit'))[0] as number
  if (links.length > 0) t.not(await version(), 0, 'it does not run without the links')

  restoreLinks(copy.native)
  restoreLinks(copy.native)

  t.equal(await version(), 0)
})

test('an unknown platform is a one-line error', async (t) => {
  await failsInOneLine(t, findBinaries('sunos', 'sparc'), /sunos-sparc/, /npm install/)
})

test('data of another version is a one-line error', async (t) => {
  const other = folder(t)
  mkdirSync(join(other, 'cluster'))
  writeFileSync(join(other, 'cluster/PG_VERSION'), '12\n')
  await failsInOneLine(t, startPostgres({ dataDir: other }), /made by PostgreSQL 12/, /remove that folder/)
})

test('a lost password is a one-line error', async (t) => {
  const other = folder(t)
  mkdirSync(join(other, 'cluster'))
  writeFileSync(join(other, 'cluster/PG_VERSION'), readFileSync(join(dataDir, 'cluster/PG_VERSION')))
  await failsInOneLine(t, startPostgres({ dataDir: other }), /password is lost/)
})

test('a wrong password is a one-line error', async (t) => {
  const { pid } = await start(t)
  const password = join(dataDir, 'password')
  const right = readFileSync(password)
  t.teardown(() => { writeFileSync(password, right) })
  writeFileSync(password, 'wrong')
  await failsInOneLine(
    t,
    startPostgres({ dataDir }),
    /does not answer us \(password/,
    new RegExp(`kill -9 ${pid}`)
  )
  t.ok(isAlive(pid), 'the server stays for its other users')
})

test('a failed start is a one-line error from the log', async (t) => {
  const conf = join(dataDir, 'cluster/postgresql.auto.conf')
  t.teardown(() => { writeFileSync(conf, '') })
  writeFileSync(conf, 'max_connections = many\n')
  await failsInOneLine(t, startPostgres({ dataDir, durable: false }), /did not start/)
  writeFileSync(conf, 'shared_preload_libraries = nonsense\n')
  await failsInOneLine(
    t,
    startPostgres({ dataDir, durable: false }),
    /did not start \(FATAL: +could not access file "nonsense"/
  )
})

test('a failed set-up is a one-line error', async (t) => {
  const installed = await findBinaries()
  await failsInOneLine(
    t,
    startPostgres({ dataDir: folder(t), binaries: { ...installed, initdb: '/bin/false' } }),
    /initdb/,
    /disk/
  )
  await failsInOneLine(
    t,
    startPostgres({ dataDir: folder(t), binaries: { ...installed, initdb: '/nonexistent' } }),
    /ENOENT/
  )
})

test('a folder of another user is a one-line error', async (t) => {
  const cause = Object.assign(new Error('EACCES: permission denied, mkdir \'/x/turns\''), { code: 'EACCES' })
  await failsInOneLine(t, Promise.reject(explained('/x', cause)), /\/x/, /another user/, /chown/)
})

test('a folder that cannot be created is a one-line error', async (t) => {
  await failsInOneLine(t, startPostgres({ dataDir: join(dataDir, 'password/data') }), /ENOTDIR|EEXIST/)
})

test('a stopped or killed server restarts with its data', async (t) => {
  const postgres = await stoppablePostgres(t)
  await query(postgres.url, 'CREATE TABLE kept AS SELECT 1 AS a')
  for (const end of ['stop', 'kill'] as const) {
    await postgres[end]()
    await t.rejects(query(postgres.url, 'SELECT'), { code: 'ECONNREFUSED' })
    await postgres.start()
    t.same(await query(postgres.url, 'SELECT a FROM kept'), [{ a: 1 }])
  }
})

test('a frozen server does not answer until it is thawed', async (t) => {
  const postgres = await stoppablePostgres(t)
  const client = new pg.Client(postgres.url)
  await client.connect()
  postgres.freeze()
  const answer = client.query('SELECT 1 AS a')
  t.equal(await Promise.race([answer.then(() => 'answer'), sleep(200, 'silence')]), 'silence')
  postgres.thaw()
  t.match(await answer, { rows: [{ a: 1 }] })
  await client.end()
})
