/** The database: killed, frozen, unreachable, slow, locked, full, read-only. @module */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Cluster } from '../cluster.js'
import type { Mode } from '../gate.js'
import { until } from '../processes.js'
import { ANSWER_MS, FAULT_MS, RECOVERY_MS, type Scenario } from '../scenario.js'

const bounds = { answer: ANSWER_MS, recovery: RECOVERY_MS }

export const killed: Scenario = {
  name: 'postgres-killed',
  what: 'all processes of PostgreSQL get SIGKILL; it starts again at once',
  bounds,
  times: 20,
  async fault ({ postgres }) {
    await postgres.kill()
    await postgres.start()
  }
}

export const frozen: Scenario = {
  name: 'postgres-frozen',
  what: 'all processes of PostgreSQL get SIGSTOP for 8 s',
  bounds,
  times: 3,
  async fault ({ postgres }) {
    postgres.freeze()
    await sleep(FAULT_MS)
    postgres.thaw()
  }
}

const network = (mode: Mode, name: string, what: string): Scenario => ({
  name,
  what: `${what} for 8 s`,
  bounds,
  times: 3,
  async fault ({ gate }) {
    await gate.set(mode)
    await sleep(FAULT_MS)
    await gate.set('open')
  }
})

export const networks = [
  network('silent', 'database-black-hole', 'packets to and from the database vanish'),
  network('closed', 'database-refused', 'connections to the database are cut and refused'),
  network('garbage', 'database-garbage', 'the database\'s answers are garbage'),
  network('slow', 'database-slow', 'each packet of the database is 200 ms late')
]

export const locked: Scenario = {
  name: 'table-locked',
  what: 'another session locks the table for 10 s',
  bounds,
  times: 3,
  async fault (cluster) {
    await withClient(clientOf(cluster, 'postgres'), async (client) => {
      await client.query('BEGIN; LOCK TABLE session IN ACCESS EXCLUSIVE MODE')
      await sleep(10_000)
      await client.query('COMMIT')
    })
  }
}

export const exhausted: Scenario = {
  name: 'connections-exhausted',
  what: 'others take every connection that the database has for 8 s, and the instances lose theirs',
  bounds,
  times: 3,
  cluster: { settings: ['max_connections=60'] },
  async fault (cluster) {
    const others: pg.Client[] = []
    const { postgres } = cluster
    await postgres.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = \'cashsouk_auth\'')
    const end = Date.now() + FAULT_MS
    while (Date.now() < end) {
      const client = clientOf(cluster, 'cashsouk_auth')
      try {
        await client.connect()
        others.push(client)
      } catch {
        await sleep(100)
      }
    }
    await Promise.all(others.map((client) => client.end()))
  }
}

export const readOnly: Scenario = {
  name: 'read-only',
  what: 'the database refuses writes for 8 s (default_transaction_read_only)',
  bounds,
  times: 3,
  async fault (cluster) {
    const { postgres } = cluster
    const set = async (value: string) => {
      await postgres.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`).catch(() => {})
      await postgres.query('SELECT pg_reload_conf()')
    }
    await set('on')
    await sleep(FAULT_MS)
    // A read-only session cannot change it: the setting is taken back for this one.
    await withClient(clientOf(cluster, 'postgres'), async (client) => {
      await client.query('SET default_transaction_read_only = off')
      await client.query('ALTER SYSTEM SET default_transaction_read_only = off')
      await client.query('SELECT pg_reload_conf()')
    })
  }
}

const DISK = '/var/tmp/cashsouk-auth-chaos-disk'

export const full: Scenario = {
  name: 'disk-full',
  what: 'the database\'s disk is full for 8 s',
  bounds,
  times: 3,
  cluster: { databaseFolder: join(DISK, 'postgres'), settings: ['wal_recycle=off', 'max_wal_size=64MB'] },
  async fault (cluster) {
    const ballast = join(DISK, 'ballast')
    const { bavail, bsize } = statfsSync(DISK)
    // Until the WAL needs another segment, or the table another page.
    writeFileSync(ballast, Buffer.alloc(bavail * bsize))
    await sleep(FAULT_MS)
    rmSync(ballast)
    // PostgreSQL ends all sessions if the WAL cannot grow, and starts again by itself.
    await until('PostgreSQL is back', () => cluster.postgres.query('SELECT 1').then(() => true, () => false))
  }
}

/** A disk of its own for the database, in memory. @returns undefined without the rights to make one. */
export function smallDisk (): { close: () => void } | undefined {
  mkdirSync(DISK, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400m,mode=755', 'tmpfs', DISK], { stdio: 'pipe' })
  } catch {
    return undefined
  }
  return {
    close () {
      execFileSync('umount', ['--lazy', DISK])
    }
  }
}

function clientOf ({ gate }: Cluster, user: string): pg.Client {
  const client = new pg.Client({ host: '127.0.0.1', port: gate.target, user, database: 'cashsouk_auth' })
  client.on('error', () => {})
  return client
}

async function withClient (client: pg.Client, run: (client: pg.Client) => Promise<void>): Promise<void> {
  await client.connect()
  try {
    await run(client)
  } finally {
    await client.end()
  }
}
