import fp from 'fastify-plugin'
import { loadConfig, type Config } from '../src/config.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The checked environment. */
    config: Config
  }
}

/** @throws {ERR_CONFIG} naming everything that is wrong with the environment, unless `config` is given. */
export default fp<{ config?: Config }>(async (fastify, { config }) => {
  fastify.decorate('config', config ?? loadConfig(process.env))
}, { name: 'config', fastify: '5.x' })
