import postgres from '@fastify/postgres'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import pg, { type Pool, type PoolClient, type PoolConfig } from 'pg'
import { changingLogin, fixedLogin, withTokens } from '../src/database-login.js'
import {
  connectionOptions, createPool, databaseReason, poolBounds, type ConnectionSource
} from '../src/sessions/index.js'

/**
 * Decorates with `pg`: the connection pool, bounded so that every query ends within 5 s whatever happens to the
 * database. It connects at the first query, so the server starts while the database is down.
 *
 * A pool that the application gives is used as it is, and never closed.
 *
 * Registered first, so closed last: `onClose` hooks run in reverse order.
 *
 * @see docs/operations.md for the timeouts that belong on the database role.
 */
export default fp<{ pool?: Pool | undefined }>(async (fastify, { pool: given }) => {
  const { DATABASE_URL, DATABASE_POOL_MAX } = fastify.config
  // Hides an application's own `pg`, to which @fastify/postgres would add this one.
  fastify.decorate('pg', (given === undefined ? {} : { pool: given }) as typeof fastify.pg)
  if (given !== undefined) return
  const source = await sourceOf(fastify)
  await fastify.register(postgres, {
    ...poolBounds,
    ...connectionOptions(DATABASE_URL),
    application_name: 'cashsouk-auth',
    max: DATABASE_POOL_MAX,
    pg: { ...pg, Pool: poolOf(source) }
  })
  const { pool } = fastify.pg
  // Without listeners, the loss of a connection would end the process, whether it is idle or in use.
  pool.on('error', (error: Error) => {
    fastify.log.warn({ reason: databaseReason(error) }, 'A database connection was lost')
  })
  pool.on('connect', (client: PoolClient) => { client.on('error', () => {}) })
  fastify.log.info({ max: DATABASE_POOL_MAX }, 'PostgreSQL connection pool initialized for sessions')
}, { name: 'postgres', fastify: '5.x', dependencies: ['config', 'secret-files'] })

/** Where connections lead and with which password, if that may change while the server runs. */
async function sourceOf ({ config, secretFiles }: FastifyInstance): Promise<ConnectionSource | undefined> {
  const isInFile = config.DATABASE_URL_FILE !== undefined && secretFiles !== null
  const login = isInFile ? changingLogin(() => config.DATABASE_URL, () => secretFiles.look()) : undefined
  if (config.DATABASE_AUTH !== 'rds-iam') return login
  const { rdsTokens } = await import('../src/rds/tokens.js')
  return withTokens(login ?? fixedLogin(config.DATABASE_URL), await rdsTokens())
}

/** What @fastify/postgres calls for its pool. */
const poolOf = (source: ConnectionSource | undefined): typeof Pool =>
  function (options: PoolConfig) { return createPool(options, source) } as unknown as typeof Pool
