import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Registry } from 'prom-client'
import type { ServerMetrics } from '../src/metrics/index.js'

/** What an application may hand in. */
export interface MetricsOptions {
  /** The application's own registry of prom-client. It has the metrics of the process already. */
  register: Registry
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Null: metrics are off. */
    authMetrics: ServerMetrics | null
  }
}

/**
 * Decorates with `authMetrics`, and counts requests. Off unless there is a `METRICS_PORT` or a registry: then nothing
 * is loaded, and no hook is added.
 *
 * @throws {ERR_CONFIG} when the server gets ready, if `METRICS_PORT` cannot be used.
 * @see docs/metrics.md
 */
export default fp<{ metrics?: MetricsOptions | undefined }>(async (fastify, { metrics: given }) => {
  const { METRICS_PORT: port, HOST: host, prefix } = fastify.config
  if (port === undefined && given === undefined) {
    fastify.decorate('authMetrics', null)
    return
  }
  const { ServerMetrics } = await import('../src/metrics/index.js')
  const isOurs = (scope: object): boolean => (scope as FastifyInstance).authMetrics === metrics
  const metrics: ServerMetrics = new ServerMetrics(given?.register, isOurs)
  fastify.decorate('authMetrics', metrics)

  const steps = { [`${prefix}/login`]: 'login', [`${prefix}/callback`]: 'callback' } as const
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions: { url: route } } = request
    const { statusCode, elapsedTime: durationMs } = reply
    metrics.http.answered({ method, route, statusCode, durationMs })
    const step = route === undefined ? undefined : steps[route]
    if (step !== undefined) metrics.logins.answered(step, request, statusCode)
    done()
  })
  fastify.addHook('onReady', async () => {
    if (port !== undefined) fastify.log.info({ port: await metrics.listen(host, port) }, 'Metrics are served')
  })
  fastify.addHook('onClose', async () => { await metrics.close() })
}, { name: 'metrics', fastify: '5.x', dependencies: ['config'] })
