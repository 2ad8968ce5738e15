/**
 * A cluster of three PostgreSQL servers under Patroni, with etcd, behind HAProxy, which leads to the leader.
 *
 * @see {@link https://patroni.readthedocs.io/}
 * @module
 */
import { execFileSync, type ChildProcess } from 'node:child_process'
import { chownSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { freePort } from '../local/free-port.js'
import { accountFor } from '../local/postgres/unprivileged.js'
import { openGate, type Gate } from './gate.js'
import { ask } from './http.js'
import { BIN, ownFolder, SET_UP } from './postgres.js'
import { family, hasEnded, signalAll, start, stop, until } from './processes.js'

const PROGRAMS = ['patroni', 'etcd', 'haproxy']
const NODES = 3
const START_TIMEOUT_MS = 90_000
/** A leader that does not renew its key for so long is replaced: the least that Patroni takes. In seconds. */
const TTL_S = 20
const LOOP_WAIT_S = 2

export interface Node {
  name: string
  port: number
  /** Where Patroni answers who is leader. */
  api: number
  /** Between Patroni and etcd. */
  gate: Gate
  start (): Promise<void>
  /** Kills Patroni and PostgreSQL at once. */
  kill (): Promise<void>
  /** Stops both in order. */
  stop (): Promise<void>
  isLeader (): Promise<boolean>
  isReplica (): Promise<boolean>
  /** Whether it may become the leader: Patroni has noted that it has everything. */
  isSynchronous (): Promise<boolean>
}

export interface PatroniCluster {
  /** Of HAProxy: leads to the leader. */
  port: number
  nodes: Node[]
  leader (): Promise<Node>
  /** Resolves when another node than this one leads, and the other two follow it, synchronously. */
  whole (former?: Node): Promise<void>
  switchover (leader: Node): Promise<void>
  close (): Promise<void>
}

const account = accountFor('/nonexistent')

/** Whether this machine has the programs. */
export function canRunPatroni (): boolean {
  return PROGRAMS.every((program) => {
    try {
      execFileSync('which', [program], { stdio: 'pipe', env: { PATH: `${process.env.PATH}:/usr/sbin` } })
      return true
    } catch {
      return false
    }
  })
}

export async function startPatroni (folder: string): Promise<PatroniCluster> {
  const own = ownFolder(join(folder, 'patroni'))
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => { for (const end of closers.splice(0).reverse()) await end() }
  try {
    const etcdPort = await startEtcd(own, closers)
    const nodes: Node[] = []
    for (let n = 1; n <= NODES; n++) {
      const gate = await openGate(etcdPort)
      closers.push(() => gate.close())
      const node = await nodeOf(own, `node${n}`, gate)
      nodes.push(node)
      closers.push(() => node.stop())
      await node.start()
      // The first one bootstraps.
      if (n === 1) await until('the first node leads', () => node.isLeader(), START_TIMEOUT_MS)
    }
    const port = await startHaproxy(own, nodes, closers)
    const cluster: PatroniCluster = {
      port,
      nodes,
      async leader () {
        for (const node of nodes) {
          if (await node.isLeader()) return node
        }
        throw new Error('no node leads')
      },
      async whole (former) {
        await until('the cluster is whole', async () => {
          const leaders = await Promise.all(nodes.map((node) => node.isLeader()))
          const replicas = await Promise.all(nodes.map((node) => node.isReplica()))
          const synchronous = await Promise.all(nodes.map((node) => node.isSynchronous()))
          const leader = nodes[leaders.indexOf(true)]
          return leader !== undefined && leader !== former && replicas.filter(Boolean).length === NODES - 1 &&
            synchronous.includes(true) && await hasSyncStandby(leader.port)
        }, START_TIMEOUT_MS)
      },
      switchover: (leader) => post(leader.api, '/switchover', { leader: leader.name }),
      close
    }
    await cluster.whole()
    await setUp((await cluster.leader()).port)
    return cluster
  } catch (error) {
    await close()
    throw error
  }
}

async function startEtcd (folder: string, closers: (() => Promise<unknown>)[]): Promise<number> {
  const [client, peer] = [await freePort(), await freePort()]
  const [clients, peers] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`]
  const { child, log } = start('etcd', [
    '--name', 'etcd', '--data-dir', join(folder, 'etcd'),
    '--listen-client-urls', clients, '--advertise-client-urls', clients,
    '--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `etcd=${peers}`
  ], { ...account, cwd: folder, env: { PATH: process.env.PATH } })
  closers.push(() => stop(child, 'SIGTERM'))
  await until('etcd starts', async () => {
    if (hasEnded(child)) throw new Error(`etcd has ended: ${log()}`)
    return await ask(`${clients}/health`).then(({ body }) => body.includes('true'), () => false)
  })
  return client
}

async function nodeOf (folder: string, name: string, gate: Gate): Promise<Node> {
  const [port, api] = [await freePort(), await freePort()]
  const file = join(folder, `${name}.json`)
  // YAML has JSON as a subset.
  writeFileSync(file, JSON.stringify(configuration(folder, name, { port, api, etcd: gate.port })))
  if (account !== undefined) chownSync(file, account.uid, account.gid)
  let child: ChildProcess | undefined
  const isOk = (path: string) => ask(`http://127.0.0.1:${api}${path}`).then(({ status }) => status === 200, () => false)
  return {
    name,
    port,
    api,
    gate,
    async start () {
      const started = start('patroni', [file], {
        ...account, cwd: folder, env: { PATH: `${process.env.PATH}:${BIN}`, LC_ALL: 'C', HOME: folder }
      })
      child = started.child
      await until(`${name} answers`, async () => {
        if (hasEnded(started.child)) throw new Error(`Patroni has ended: ${started.log()}`)
        return await ask(`http://127.0.0.1:${api}/patroni`).then(() => true, () => false)
      })
    },
    async kill () {
      if (child === undefined) return
      signalAll(family(child.pid ?? NaN), 'SIGKILL')
      await stop(child, 'SIGKILL')
    },
    async stop () { if (child !== undefined) await stop(child, 'SIGTERM') },
    isLeader: () => isOk('/primary'),
    isReplica: () => isOk('/replica'),
    isSynchronous: () => isOk('/synchronous')
  }
}

function configuration (
  folder: string, name: string, { port, api, etcd }: { port: number, api: number, etcd: number }
): object {
  return {
    scope: 'chaos',
    name,
    restapi: { listen: `127.0.0.1:${api}`, connect_address: `127.0.0.1:${api}` },
    // Otherwise Patroni asks etcd for its members and goes to them, past the gate.
    etcd3: { hosts: `127.0.0.1:${etcd}`, use_proxies: true },
    bootstrap: {
      dcs: {
        ttl: TTL_S,
        loop_wait: LOOP_WAIT_S,
        retry_timeout: 5,
        // An acknowledged change is on a standby as well: none is lost by a failover.
        synchronous_mode: true,
        postgresql: { use_pg_rewind: true, parameters: { max_connections: 100 } }
      },
      initdb: [{ encoding: 'UTF8' }, 'data-checksums']
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: join(folder, name),
      bin_dir: BIN,
      parameters: { unix_socket_directories: '' },
      pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
      authentication: { superuser: { username: 'postgres' }, replication: { username: 'replicator' } }
    }
  }
}

async function startHaproxy (folder: string, nodes: Node[], closers: (() => Promise<unknown>)[]): Promise<number> {
  const port = await freePort()
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, `
global
  maxconn 500
defaults
  mode tcp
  timeout connect 2s
  timeout client 30m
  timeout server 30m
  timeout check 1s
listen leader
  bind 127.0.0.1:${port}
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
${nodes.map((node) => `  server ${node.name} 127.0.0.1:${node.port} check port ${node.api}`).join('\n')}
`)
  const { child, log } = start('/usr/sbin/haproxy', ['-f', file, '-db'], { cwd: folder })
  closers.push(() => stop(child, 'SIGTERM'))
  await until('HAProxy leads to the leader', async () => {
    if (hasEnded(child)) throw new Error(`HAProxy has ended: ${log()}`)
    return await queried(port, 'SELECT 1').then(() => true, () => false)
  })
  return port
}

async function setUp (port: number): Promise<void> {
  for (const statement of SET_UP) await queried(port, statement)
}

const hasSyncStandby = async (port: number): Promise<boolean> =>
  (await queried(port, 'SELECT 1 FROM pg_stat_replication WHERE sync_state = \'sync\'').catch(() => [])).length > 0

async function queried (port: number, statement: string): Promise<unknown[]> {
  const client = new pg.Client({
    host: '127.0.0.1', port, user: 'postgres', database: 'postgres', connectionTimeoutMillis: 3000, query_timeout: 5000
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query(statement)).rows as unknown[]
  } finally {
    client.end().catch(() => {})
  }
}

function post (port: number, path: string, body: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method: 'POST', timeout: START_TIMEOUT_MS }, (response) => {
      text(response).then((answer) => {
        if (response.statusCode === 200) resolve()
        else reject(new Error(`Patroni answers ${response.statusCode} ${answer}`))
      }, reject)
    })
    sent.once('error', reject)
    sent.end(JSON.stringify(body))
  })
}
