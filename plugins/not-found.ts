import fp from 'fastify-plugin'
import { ERR_NOT_FOUND } from '../src/errors.js'

/** Answers unknown routes as other errors. For a server of its own: a host has its own handler. */
export default fp(async (fastify) => {
  fastify.setNotFoundHandler((_request, reply) => reply.sendError(new ERR_NOT_FOUND()))
}, { name: 'not-found', fastify: '5.x', dependencies: ['errors'] })
