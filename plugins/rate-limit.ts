import rateLimit, {
  type FastifyRateLimitOptions, type FastifyRateLimitStore, type FastifyRateLimitStoreCtor
} from '@fastify/rate-limit'
import type { FastifyBaseLogger, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { ERR_RATE_LIMIT } from '../src/errors.js'
import { Counter } from '../src/rate/counter.js'
import { SharedCounts, type SharedCountStats } from '../src/rate/shared-counts.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * How many requests one client address may send to this route in a minute. A key of its own: a rate limit that the
     * application has registered acts on `rateLimit`.
     */
    loginLimit?: number
  }
  interface FastifyInstance {
    /** How often instances have counted together; undefined without a limit. */
    rateLimitStats: Readonly<SharedCountStats> | undefined
  }
}

/** How many client addresses are counted at once, for each route. */
const MAX_COUNTERS = 10_000
const WINDOW_MS = 60_000

/**
 * Enforces `config.loginLimit` of a route, by client address (IPv6: by /64). Instances count together in PostgreSQL,
 * and each for itself while that does not answer. Off if `LOGIN_RATE_LIMIT` is 0.
 */
export default fp(async (fastify) => {
  const isOn = fastify.config.LOGIN_RATE_LIMIT > 0
  const shared = isOn ? new SharedCounts(fastify.pg.pool, WINDOW_MS, logged(fastify.log)) : undefined
  fastify.decorate('rateLimitStats', shared?.stats)
  if (shared === undefined) return
  fastify.addHook('onClose', async () => { shared.close() })
  fastify.addHook('onRoute', (route) => {
    const max = route.config?.loginLimit
    if (max !== undefined) route.config = { ...route.config, rateLimit: { max, timeWindow: WINDOW_MS } }
  })
  await fastify.register(rateLimit, {
    global: false,
    store: storeOf(shared),
    errorResponseBuilder: (_request, { ttl }) => new ERR_RATE_LIMIT(Math.ceil(ttl / 1000))
  })
}, { name: 'rate-limit', fastify: '5.x', dependencies: ['config', 'postgres'] })

const logged = (log: FastifyBaseLogger) => ({ isShared, reason }: { isShared: boolean, reason?: string }): void => {
  if (isShared) log.info('Sign-ins are counted across instances again')
  else log.warn({ reason }, 'Sign-ins are counted by this instance alone: the shared count cannot be used')
}

/** A store of @fastify/rate-limit. Each route has its own counts. */
const storeOf = (shared: SharedCounts): FastifyRateLimitStoreCtor => class Store implements FastifyRateLimitStore {
  readonly #counter: Counter

  constructor ({ routeInfo }: FastifyRateLimitOptions & { routeInfo?: RouteOptions } = {}) {
    const route = `${String(routeInfo?.method)} ${String(routeInfo?.url)}`
    this.#counter = new Counter((key, count) => shared.add(`${route} ${key}`, count), MAX_COUNTERS)
  }

  incr (key: string, callback: Parameters<FastifyRateLimitStore['incr']>[1], windowMs = WINDOW_MS, limit = 1): void {
    this.#counter.count(key, { limit, windowMs }).then(
      (count) => { callback(null, count) }, (error: Error) => { callback(error) }
    )
  }

  child (options: RouteOptions & { path: string, prefix: string }): FastifyRateLimitStore {
    return new Store(options)
  }
}
