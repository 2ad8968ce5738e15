import fp from 'fastify-plugin'
import { codeOf } from '../src/errors.js'

/** Adds the metrics of the session store, its table and its pool. Off where `authMetrics` is null. */
export default fp(async (fastify) => {
  const { authMetrics: metrics, config, log, pg, sessionStore } = fastify
  if (metrics === null) return
  metrics.observeStore(sessionStore, pg.pool, config.SESSION_PRUNE_INTERVAL * 1000, (error) => {
    log.warn({ code: codeOf(error) }, 'Could not look at the session table for metrics')
  })
  fastify.addHook('onReady', (done) => {
    // In the background: the database may be down.
    metrics.startSampling()
    done()
  })
  fastify.addHook('onClose', async () => { await metrics.stopSampling() })
}, { name: 'store-metrics', fastify: '5.x', dependencies: ['config', 'metrics', 'postgres', 'session-store'] })
