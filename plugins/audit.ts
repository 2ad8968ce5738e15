import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Event, EventType } from '../src/audit/events.js'
import type { DeviceOutcome } from '../src/device-bound/outcome.js'
import { codeOf } from '../src/errors.js'

/** Undefined where the session is not known. */
interface DeviceSession { sub: string | undefined, publicId: string | undefined }

/** The audit trail. */
export interface Audit {
  /** What a request does, to be recorded by the statement that does it. */
  event (request: FastifyRequest, type: EventType, details?: Pick<Event, 'actor' | 'reason'>): Event
  /** Whose sign-in a request is, if it is refused. */
  about (request: FastifyRequest, sub: string): void
  /** Records in the background that a sign-in was refused. */
  refused: (request: FastifyRequest, error: unknown) => void
  /** Records in the background what happened with a device. What browsers do by themselves is only counted. */
  device (request: FastifyRequest, outcome: DeviceOutcome, session: DeviceSession): void
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

/** What browsers do by themselves with each bound session, every few minutes. */
const COUNTED: readonly DeviceOutcome[] = ['refreshed', 'missing']

/**
 * Decorates with `audit`. Events of sessions are in the statements of the store. Refusals, and what happens with
 * devices, are written here.
 */
export default fp(async (fastify) => {
  const { config, log, sessionStore: store } = fastify
  if (!config.AUDIT) {
    fastify.decorate('audit', undefined)
    return
  }
  const { eventOf } = await import('../src/audit/events.js')
  const { BackgroundEvents } = await import('../src/audit/background-events.js')
  const users = new WeakMap<FastifyRequest, string>()
  const inBackground = (lost: string) => {
    const events = new BackgroundEvents(async (batch) => store.recordEvents(batch), (count, error) => {
      log.warn({ count, code: codeOf(error) }, lost)
    })
    fastify.addHook('onClose', async () => { await events.close() })
    return events
  }
  const refusals = inBackground('Refusals could not be recorded in the audit trail')
  // A flood of one kind must not take the rows of another: anyone can send a proof that does not hold.
  const lost = 'Events of devices could not be recorded in the audit trail'
  const [devices, copies] = [inBackground(lost), inBackground(lost)]

  fastify.decorate('audit', {
    event: eventOf,
    about (request, sub) { users.set(request, sub) },
    refused: (request, error) => {
      const reason = codeOf(error)
      if (NO_REFUSALS.includes(reason)) return
      // Null where a request failed before its login was known.
      const { requestedRole: role } = request.loginRecovery?.login ?? {}
      refusals.add({ ...eventOf(request, 'refused', { reason }), user: users.get(request), role })
    },
    device (request, outcome, { sub, publicId }) {
      const event = { ...eventOf(request, 'device', { reason: outcome }), user: sub, session: publicId }
      if (outcome === 'copied') copies.add(event)
      else if (COUNTED.includes(outcome)) devices.count(event)
      else devices.add(event)
    }
  })
}, { name: 'audit', fastify: '5.x', dependencies: ['config', 'session-store'] })
