import type { PoolConfig } from 'pg'
import { parseConnectionString } from '../sessions/connection-string.js'
import type { TracedDatabase } from './index.js'

/** What spans tell of a database: as the pool was given it, never the user. */
export function databaseOf ({ host, port, database, connectionString }: PoolConfig): TracedDatabase {
  const url = parseConnectionString(connectionString ?? '')
  const name = url?.pathname.slice(1) ?? ''
  return {
    name: name === '' ? database : decodeURIComponent(name),
    host: url?.searchParams.get('host') ?? (url?.hostname === '' ? undefined : url?.hostname) ?? host,
    port: url === null || url.port === '' ? port : Number(url.port)
  }
}
