import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    draining: {
      /** Whether the process is about to stop: it still serves, but reports that it is not ready. */
      readonly started: boolean
      start (): void
    }
  }
}

/** While draining, every response closes its connection, so that the load balancer sends its next request elsewhere. */
export default fp(async (fastify) => {
  let started = false
  fastify.decorate('draining', {
    get started () { return started },
    start () { started = true }
  })
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (started) reply.header('connection', 'close')
    done()
  })
}, { name: 'draining', fastify: '5.x' })
