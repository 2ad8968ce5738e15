import fp from 'fastify-plugin'
import { DatabaseHealth } from '../src/database-health/database-health.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** What is known of the database: whether it fails, refuses to write, or has another time. */
    databaseHealth: DatabaseHealth
  }
}

/** Decorates with `databaseHealth`. The plugins that ask the database tell it what they learn. */
export default fp(async (fastify) => {
  const health = new DatabaseHealth(fastify.log)
  fastify.decorate('databaseHealth', health)
  fastify.addHook('onClose', async () => { health.close() })
}, { name: 'database-health', fastify: '5.x' })
