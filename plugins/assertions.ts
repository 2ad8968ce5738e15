import fp from 'fastify-plugin'
import { Assertions } from '../src/assertion/assertions.js'
import { SigningKeys, type KeyEvent } from '../src/assertion/signing-keys.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** What upstreams check: `x-auth-assertion`, and the keys of it. */
    assertions: Pick<Assertions, 'of'> & Pick<SigningKeys, 'published' | 'rotate'>
  }
}

/** Decorates with `assertions`. The first use makes the keys, so that a server without upstreams has none. */
export default fp(async (fastify) => {
  const { config, log, sessionStore } = fastify
  const keys = new SigningKeys(sessionStore, () => config.SESSION_SECRET, tell)
  const assertions = new Assertions(keys, config.PUBLIC_URL)

  fastify.decorate('assertions', {
    of: (session, audience) => assertions.of(session, audience),
    published: () => keys.published(),
    rotate: (options) => keys.rotate(options)
  })

  function tell (event: KeyEvent): void {
    switch (event.type) {
      case 'made':
        log.info({ kid: event.kid, from: event.from }, 'A key for assertions was made')
        break
      case 'lost':
        log.warn('The keys of assertions were missing or altered in the database, and were written again')
        break
      case 'foreign':
        log.warn('The keys of assertions in the database are encrypted with another SESSION_SECRET')
    }
  }
}, { name: 'assertions', fastify: '5.x', dependencies: ['config', 'session-store'] })
