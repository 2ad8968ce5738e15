import { channel } from 'node:diagnostics_channel'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { DeviceBoundSessions, DeviceState, Standing } from '../src/device-bound/device-bound.js'
import type { DeviceOutcome } from '../src/device-bound/outcome.js'
import { codeOf } from '../src/errors.js'
import { sessionClient } from '../src/session-client.js'

/** A message of the diagnostics channel `cashsouk-auth:device`. */
export interface DeviceEvent {
  outcome: DeviceOutcome
  requestId: string
  /** The client address. */
  ip: string
  userAgent: string | undefined
  /** The user of the session; undefined where the session is not known. */
  sub: string | undefined
}

/** A session that a request names. */
export interface NamedSession { id: string, state: DeviceState, sub: string | undefined, nowMs: number }

export interface DeviceBound {
  readonly sessions: DeviceBoundSessions
  /** @param named the session, as far as it is known. */
  tell (outcome: DeviceOutcome, request: FastifyRequest, named?: Pick<NamedSession, 'id' | 'sub'>): void
  isBound (session: object): boolean
  /** Whether a request may have the session that its cookie names. A refusal is told, and changes no expiry. */
  standing (request: FastifyRequest, session: NamedSession): Standing
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Sessions that are bound to a device; null with `DEVICE_BOUND_SESSIONS=off`. */
    deviceBound: DeviceBound | null
  }
}

/** How many sessions are remembered whose use without a device is being kept. */
const MAX_KEPT = 1000

const events = channel('cashsouk-auth:device')

/** Decorates with `deviceBound`. Its code is loaded only where it is on. */
export default fp(async (fastify) => {
  const { audit, config, log, sessionStore } = fastify
  if (config.DEVICE_BOUND_SESSIONS === 'off') {
    fastify.decorate('deviceBound', null)
    return
  }
  const { bindingOf, DeviceBoundSessions, isBound, isSkipped, isStrayDue, SKIPPED_HEADER } =
    await import('../src/device-bound/index.js')
  const sessions = new DeviceBoundSessions(config, sessionStore)
  /** When the stray use of a session was last kept, by its public identifier's hash. */
  const kept = new Map<string, number>()

  fastify.decorate('deviceBound', {
    sessions,

    isBound: (session) => isBound(bindingOf(session)),

    tell (outcome, request, named) {
      const { id: requestId, ip, headers } = request
      const sub = named?.sub
      audit?.device(request, outcome, {
        sub, publicId: named === undefined ? undefined : sessionStore.publicIds(named.id)[0]
      })
      if (!events.hasSubscribers) return
      events.publish({ outcome, requestId, ip, userAgent: headers['user-agent'], sub } satisfies DeviceEvent)
    },

    standing (request, named) {
      const standing = sessions.standing(named.state, named.id, request.headers.cookie, named.nowMs)
      if (standing === 'missing') tellMissing(request, named)
      else if (standing === 'unbound') this.tell('missing', request, named)
      return standing
    }
  } satisfies DeviceBound)

  function tellMissing (request: FastifyRequest, named: NamedSession): void {
    const { state: { id = '' } } = named
    const isCopied = !isSkipped(request.headers[SKIPPED_HEADER], id)
    fastify.deviceBound?.tell(isCopied ? 'copied' : 'missing', request, named)
    if (isCopied) keepStray(request, named)
  }

  /** In the background, and seldom: an attacker decides how often it happens. */
  function keepStray (request: FastifyRequest, { id, state, nowMs }: NamedSession): void {
    const { id: deviceId = '', strayAt } = state
    if (!isStrayDue(Math.max(strayAt, kept.get(deviceId) ?? 0), nowMs)) return
    if (kept.size >= MAX_KEPT) kept.clear()
    kept.set(deviceId, nowMs)
    request.log.warn('A session was used without its device')
    sessions.keepStray(id, sessionClient(request.headers['user-agent'], request.ip)).catch((error: unknown) => {
      kept.delete(deviceId)
      log.warn({ code: codeOf(error) }, 'It could not be kept that a session was used without its device')
    })
  }
}, { name: 'device-bound', fastify: '5.x', dependencies: ['audit', 'config', 'session-store'] })
