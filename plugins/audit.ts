import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Event, EventType } from '../src/audit/events.js'
import { codeOf } from '../src/errors.js'

/** The audit trail. */
export interface Audit {
  /** What a request does, to be recorded by the statement that does it. */
  event (request: FastifyRequest, type: EventType, details?: Pick<Event, 'actor' | 'reason'>): Event
  /** Whose sign-in a request is, if it is refused. */
  about (request: FastifyRequest, sub: string): void
  /** Records in the background that a sign-in was refused. */
  refused: (request: FastifyRequest, error: unknown) => void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined without `AUDIT`. */
    audit: Audit | undefined
  }
  interface FastifyContextConfig {
    /** Called with what this route has thrown. Must not throw. */
    refused?: (request: FastifyRequest, error: unknown) => void
  }
}

/** Answers to what a browser does by itself, before the user navigates. */
const NO_REFUSALS = ['ERR_PREFETCH', 'ERR_NAVIGATION_REQUIRED']

/** Decorates with `audit`. Events of sessions are in the statements of the store. Refusals are written here. */
export default fp(async (fastify) => {
  const { config, log, sessionStore: store } = fastify
  if (!config.AUDIT) {
    fastify.decorate('audit', undefined)
    return
  }
  const { eventOf } = await import('../src/audit/events.js')
  const { Refusals } = await import('../src/audit/refusals.js')
  const users = new WeakMap<FastifyRequest, string>()
  const refusals = new Refusals(async (events) => store.recordEvents(events), (count, error) => {
    log.warn({ count, code: codeOf(error) }, 'Refusals could not be recorded in the audit trail')
  })
  fastify.addHook('onClose', async () => { await refusals.close() })

  fastify.decorate('audit', {
    event: eventOf,
    about (request, sub) { users.set(request, sub) },
    refused: (request, error) => {
      const reason = codeOf(error)
      if (NO_REFUSALS.includes(reason)) return
      // Null where a request failed before its login was known.
      const { requestedRole: role } = request.loginRecovery?.login ?? {}
      refusals.add({ ...eventOf(request, 'refused', { reason }), user: users.get(request), role })
    }
  })
}, { name: 'audit', fastify: '5.x', dependencies: ['config', 'session-store'] })
