/**
 * Metrics for Prometheus. Loaded only where they are on: prom-client takes time to load.
 *
 * They are taken from diagnostics channels and from what Fastify's hooks tell. Labels have few values: routes, codes
 * and names of this source, and never an id, an address or what a person has typed.
 *
 * @see {@link https://prometheus.io/docs/practices/naming/}
 * @module
 */
import type { Pool } from 'pg'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { PgSessionStore } from '../sessions/index.js'
import { observeDevices } from './device-metrics.js'
import { HttpMetrics } from './http-metrics.js'
import { listenForScrapers, type MetricsListener } from './listener.js'
import { LoginMetrics } from './login-metrics.js'
import { PREFIX } from './names.js'
import { observeProvider } from './provider-metrics.js'
import { observeStore } from './store-metrics.js'
import { Subscriptions } from '../subscriptions.js'
import { TableSampler } from './table-sampler.js'
import { version } from '../version.js'

export class ServerMetrics {
  readonly register: Registry
  readonly http: HttpMetrics
  readonly logins: LoginMetrics
  readonly #subscriptions = new Subscriptions()
  #sampler: TableSampler | undefined
  #listener: MetricsListener | undefined

  /**
   * @param given the application's own registry, which has the metrics of the process already.
   * @param isOurs whether a Fastify instance is one of this server.
   */
  constructor (given: Registry | undefined, isOurs: (scope: object) => boolean) {
    this.register = given ?? new Registry()
    if (given === undefined) collectDefaultMetrics({ register: this.register })
    const registers = [this.register]
    new Gauge({
      name: `${PREFIX}build_info`, help: 'Always 1', labelNames: ['version', 'node_version'], registers
    }).set({ version: version(), node_version: process.version }, 1)
    this.http = new HttpMetrics(this.register)
    this.logins = new LoginMetrics(this.register, this.#subscriptions, isOurs)
    observeProvider(this.register, this.#subscriptions)
    observeDevices(this.register, this.#subscriptions)
  }

  /**
   * @param intervalMs how often the table is looked at.
   * @param onFailure called when that fails, once until it succeeds again.
   */
  observeStore (store: PgSessionStore, pool: Pool, intervalMs: number, onFailure: (error: unknown) => void): void {
    observeStore(this.register, this.#subscriptions, { store, pool })
    this.#sampler = new TableSampler(this.register, store, intervalMs, onFailure)
  }

  /** Begins to look at the table. */
  startSampling (): void {
    this.#sampler?.start()
  }

  /** While the database can still be used. */
  async stopSampling (): Promise<void> {
    await this.#sampler?.close()
  }

  /** @throws {ERR_CONFIG} if the port cannot be used. @returns the port. */
  async listen (host: string, port: number): Promise<number> {
    this.#listener = await listenForScrapers(this.register, { host, port })
    return this.#listener.port
  }

  async close (): Promise<void> {
    this.#subscriptions.end()
    await this.#listener?.close()
  }
}
