import postgres from '@fastify/postgres'
import fp from 'fastify-plugin'
import type { PoolClient } from 'pg'

/**
 * Decorates with `pg`: the connection pool, bounded so that every query ends within 5 s whatever happens
 * to the database. Nothing is connected before the first query, so the server starts while it is away.
 *
 * Registered first, so closed last: hooks of `onClose` run in reverse order.
 *
 * @see docs/operations.md for the time-outs that belong on the database role.
 */
export default fp(async (fastify) => {
  const { DATABASE_URL, DATABASE_POOL_MAX } = fastify.config
  await fastify.register(postgres, {
    connectionString: DATABASE_URL,
    application_name: 'cashsouk-auth',
    max: DATABASE_POOL_MAX,
    connectionTimeoutMillis: 2000,
    query_timeout: 3000,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: 300,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000
  })
  const { pool } = fastify.pg
  const lost = (error: Error) => { fastify.log.warn({ reason: error.message }, 'A database connection was lost') }
  // Without a listener an idle connection that the server ends would end the process; so would one that is in use.
  pool.on('error', lost)
  pool.on('connect', (client: PoolClient) => { client.on('error', () => {}) })
  fastify.log.info({ max: DATABASE_POOL_MAX }, 'PostgreSQL connection pool initialized for sessions')
}, { name: 'postgres', fastify: '5.x', dependencies: ['config'] })
