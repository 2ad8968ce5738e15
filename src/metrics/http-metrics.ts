import { Counter, Histogram, type Registry } from 'prom-client'
import { PREFIX, SHORT_S } from './names.js'

export interface Answered {
  method: string
  /** The template of the route, such as `/api/auth/sessions/:id`; undefined: there is none. */
  route: string | undefined
  statusCode: number
  durationMs: number
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Requests by route, method and status. */
export class HttpMetrics {
  readonly #requests: Counter<'route' | 'method' | 'status'>
  readonly #duration: Histogram<'route' | 'method'>

  constructor (register: Registry) {
    this.#requests = new Counter({
      name: `${PREFIX}http_requests_total`,
      help: 'Requests that were answered, by template of the route',
      labelNames: ['route', 'method', 'status'],
      registers: [register]
    })
    this.#duration = new Histogram({
      name: `${PREFIX}http_request_duration_seconds`,
      help: 'From a request to the end of its answer',
      labelNames: ['route', 'method'],
      buckets: SHORT_S,
      registers: [register]
    })
  }

  answered ({ method: sent, route = 'unknown', statusCode, durationMs }: Answered): void {
    const method = METHODS.has(sent) ? sent : 'other'
    this.#requests.inc({ route, method, status: statusCode })
    this.#duration.observe({ route, method }, durationMs / 1000)
  }
}
