import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { ERR_OVERLOADED } from '../src/errors.js'

declare module 'fastify' {
  interface FastifyInstance {
    capacity: {
      /** Whether the next request would be refused. */
      readonly isExceeded: boolean
      /** Refuses requests to the routes of this scope that would have to wait too long. */
      limit (scope: FastifyInstance): void
    }
  }
  interface FastifyRequest {
    /** Whether the request was refused because the server is overloaded. */
    isRefused: boolean
    /** Whether the request counts for the capacity. */
    isAdmitted: boolean
  }
}

/** A timer that is late shows by how much the event loop is, in milliseconds. */
const TICK_MS = 20
/** Of how many milliseconds a sample is the mean, at least. A longer one would see an overload later. */
const SAMPLE_MS = 40
/** A request takes several turns of the event loop. With longer ones it would not end within a second. */
const LATE_MS = 100
/** A sign-in takes three calls of the database. With slower ones it would not end within a second. */
const SLOW_CALL_MS = 250
/** How much is worked on at once while the event loop is late, or calls are slow. More would not finish sooner. */
const MAX_UNDER_STRAIN = 64
/** The same at first, as that may be a pause, and no overload: of requests, and of calls. */
const MAX_IN_A_PAUSE = 256
const MAX_CALLS_IN_A_PAUSE = 128
/** A further 100 ms leaves so much of it, until only what is worked on under strain is left: after half a second. */
const SHRINKAGE = 0.75
/**
 * 100 ms that are neither late nor slow let so much more in, until the bound is lifted: after three seconds at most.
 * Lifted at once, it would let in all that had been refused, and the event loop would be late again.
 */
const GROWTH = 1.1
const LIFTED = 1024
/** How many calls may wait for a database that does not answer. */
const MAX_PENDING_CALLS = 1000
const RETRY_AFTER_S = 2
/** The overload is over once nothing was refused for this time, in milliseconds. */
const CALM_MS = 1000

/** How long one thing has taken lately, and how much may therefore be in work. */
class Strain {
  /** The last sample, in whole milliseconds. */
  lastMs = 0
  /** How much may be in work. */
  maximum = Infinity
  readonly #limitMs: number
  readonly #maxInAPause: number

  constructor (limitMs: number, maxInAPause: number) {
    this.#limitMs = limitMs
    this.#maxInAPause = maxInAPause
  }

  /**
   * @param ms the mean of the sample.
   * @param elapsedMs since the sample before.
   */
  add (ms: number, elapsedMs: number): void {
    this.lastMs = Math.max(0, Math.round(ms))
    const isFirst = this.maximum === Infinity
    if (ms > this.#limitMs) {
      const fewer = this.maximum * SHRINKAGE ** (elapsedMs / 100)
      this.maximum = isFirst ? this.#maxInAPause : Math.max(MAX_UNDER_STRAIN, fewer)
    } else if (!isFirst) {
      this.maximum *= GROWTH ** (elapsedMs / 100)
      if (this.maximum > LIFTED) this.maximum = Infinity
    }
  }
}

/**
 * Decorates with `capacity`: a request that would have to wait too long is refused at once, with 503 and
 * `Retry-After`. The rest is answered in time.
 *
 * Two queues are bounded. The event loop, for which requests wait that need the CPU; and the calls of the session
 * store. A request that waits for Cognito waits in neither. An application may have @fastify/under-pressure, whose
 * decorators can be there only once.
 */
export default fp(async (fastify) => {
  const { calls } = fastify.sessionStore
  const loop = new Strain(LATE_MS, MAX_IN_A_PAUSE)
  const store = new Strain(SLOW_CALL_MS, MAX_CALLS_IN_A_PAUSE)
  let sampleMs = performance.now()
  let ticks = 0
  let ended = 0
  let totalMs = 0
  let admitted = 0
  let refused = 0
  let firstMs = 0
  let lastMs = 0

  // Not perf_hooks.monitorEventLoopDelay: once it is reset, it has nothing to show before its second turn.
  const timer = setInterval(() => {
    const tickMs = performance.now()
    ticks++
    const elapsedMs = tickMs - sampleMs
    if (elapsedMs < SAMPLE_MS) return
    loop.add(elapsedMs / ticks - TICK_MS, elapsedMs)
    sampleMs = tickMs
    ticks = 0
    // Without an outcome since the last sample, the calls are as slow as before.
    const outcomes = calls.ended - ended
    if (outcomes > 0) {
      const meanMs = (calls.totalMs - totalMs) / outcomes
      store.add(Math.max(meanMs, nextCallMs(outcomes, elapsedMs)), elapsedMs)
    } else if (calls.pending === 0) store.add(0, elapsedMs)
    ended = calls.ended
    totalMs = calls.totalMs
    if (refused === 0 || tickMs - lastMs < CALM_MS) return
    fastify.log.info({ refused, durationMs: Math.round(lastMs - firstMs) }, 'No longer overloaded')
    refused = 0
  }, TICK_MS).unref()
  fastify.addHook('onClose', async () => { clearInterval(timer) })

  /**
   * How long a call that begins now will take, by the calls in work and how many have ended in this time (Little's
   * law). The calls that have ended began when there were fewer, and show an overload half a second later.
   */
  function nextCallMs (outcomes: number, elapsedMs: number): number {
    return calls.pending > MAX_UNDER_STRAIN ? calls.pending / outcomes * elapsedMs : 0
  }

  const isExceeded = (): boolean =>
    admitted >= loop.maximum || calls.pending >= Math.min(store.maximum, MAX_PENDING_CALLS)

  function refuse (reply: FastifyReply): void {
    lastMs = performance.now()
    if (refused++ === 0) {
      firstMs = lastMs
      const { pending } = calls
      fastify.log.warn(
        { eventLoopDelayMs: loop.lastMs, requests: admitted, storeCallMs: store.lastMs, storeCalls: pending },
        'Overloaded: requests are refused with 503'
      )
    }
    reply.request.isRefused = true
    // Not thrown: an error that is thrown is logged.
    void reply.header('retry-after', String(RETRY_AFTER_S)).sendError(new ERR_OVERLOADED())
  }

  fastify.decorateRequest('isRefused', false)
  fastify.decorateRequest('isAdmitted', false)
  fastify.decorate('capacity', {
    get isExceeded () { return isExceeded() },
    limit (scope: FastifyInstance) {
      scope.addHook('onRequest', (request, reply, done) => {
        if (isExceeded()) {
          refuse(reply)
          return
        }
        request.isAdmitted = true
        admitted++
        done()
      })
      scope.addHook('onResponse', (request, _reply, done) => {
        if (request.isAdmitted) admitted--
        done()
      })
    }
  })
}, { name: 'capacity', fastify: '5.x', dependencies: ['errors', 'session-store'] })
