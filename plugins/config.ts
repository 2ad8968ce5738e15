import fp from 'fastify-plugin'
import { loadConfig, type Config } from '../src/config.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The checked configuration. */
    config: Config
  }
}

/** Decorates with `config`, which is read from the environment unless it is given. @throws {ERR_CONFIG} */
export default fp<{ config?: Config }>(async (fastify, { config }) => {
  fastify.decorate('config', config ?? loadConfig(process.env))
}, { name: 'config', fastify: '5.x' })
