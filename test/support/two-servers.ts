import { createServer, type AddressInfo, type Socket } from 'node:net'
import pg from 'pg'
import type { Test } from 'tap'
import { stoppablePostgres, type StoppablePostgres } from './stoppable-postgres.js'

export interface OneOfTwo extends StoppablePostgres {
  /** `127.0.0.1:PORT` */
  host: string
  query (sql: string): Promise<pg.QueryResultRow[]>
  /** For connections from now on. */
  readOnly (isReadOnly: boolean): Promise<void>
}

export interface TwoServers {
  servers: [OneOfTwo, OneOfTwo]
  /** A connection string with these hosts. */
  url: (...hosts: string[]) => string
}

/** Two servers with the same role, each with a database of its own. */
export async function twoServers (t: Test): Promise<TwoServers> {
  const servers: [OneOfTwo, OneOfTwo] = await Promise.all([one(t), one(t)])
  return {
    servers,
    url: (...hosts) => `postgres://app:test@${hosts.join(',')}${new URL(servers[0].url).pathname}`
  }
}

async function one (t: Test): Promise<OneOfTwo> {
  const server = await stoppablePostgres(t)
  const own = new URL(server.directUrl)
  const query = async (url: URL, sql: string) => {
    const client = new pg.Client({
      connectionString: url.href, options: '-c default_transaction_read_only=off', connectionTimeoutMillis: 5000
    })
    await client.connect()
    try {
      return (await client.query<pg.QueryResultRow>(sql)).rows
    } finally {
      await client.end()
    }
  }
  await query(own, 'CREATE ROLE app SUPERUSER LOGIN PASSWORD \'test\'')
  const url = Object.assign(new URL(own), { username: 'app', password: 'test' })
  return Object.assign(server, {
    host: own.host,
    query: (sql: string) => query(url, sql),
    async readOnly (isReadOnly: boolean) {
      await query(url, `ALTER SYSTEM SET default_transaction_read_only = ${isReadOnly ? 'on' : 'off'}`)
      await query(url, 'SELECT pg_reload_conf(), pg_sleep(0.2)')
    }
  })
}

/** A host that accepts connections and never answers. Gives its `127.0.0.1:PORT` and how many came. */
export async function silentHost (t: Test): Promise<{ host: string, connections: () => number }> {
  const sockets: Socket[] = []
  const server = createServer((socket) => { sockets.push(socket.on('error', () => {})) })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => sockets.length }
}
