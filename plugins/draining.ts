import fp from 'fastify-plugin'
import { afterPoll } from '../src/after-poll.js'

declare module 'fastify' {
  interface FastifyInstance {
    draining: {
      /** Whether the process is about to stop: it still serves, but reports that it is not ready. */
      readonly started: boolean
      /** How many requests are being answered. */
      readonly inFlight: number
      start (): void
    }
  }
  interface FastifyRequest {
    /** Whether `draining.inFlight` counts this request. */
    isInFlight: boolean
  }
}

/**
 * While draining, every response closes its connection, so that the load balancer sends its next request elsewhere.
 * A server that closes drains, whether or not that was started before. It stops listening right after it has accepted
 * what has arrived: the system resets a connection that waits to be accepted, and a proxy does not repeat its POST.
 */
export default fp(async (fastify) => {
  let started = false
  let inFlight = 0
  fastify.decorate('draining', {
    get started () { return started },
    get inFlight () { return inFlight },
    start () { started = true }
  })
  fastify.decorateRequest('isInFlight', false)
  fastify.addHook('preClose', async () => {
    started = true
    await afterPoll()
  })
  fastify.addHook('onRequest', (request, _reply, done) => {
    request.isInFlight = true
    inFlight++
    done()
  })
  fastify.addHook('onResponse', (request, _reply, done) => {
    // A hook of an application may have answered before ours was asked.
    if (request.isInFlight) inFlight--
    done()
  })
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (started) reply.header('connection', 'close')
    done()
  })
}, { name: 'draining', fastify: '5.x' })
