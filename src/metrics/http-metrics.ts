import type { Registry } from 'prom-client'
import { PREFIX, SHORT_S } from './names.js'
import { Distribution, Tally, type Cell, type Series } from './series.js'

export interface Answered {
  method: string
  /** The template of the route, such as `/api/auth/sessions/:id`; undefined: there is none. */
  route: string | undefined
  statusCode: number
  durationMs: number
}

/** Of one route and method. */
interface OfRoute { duration: Series, byStatus: Map<number, Cell> }

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Requests by route, method and status. */
export class HttpMetrics {
  readonly #requests: Tally
  readonly #duration: Distribution
  /** By route, then by method. */
  readonly #routes = new Map<string, Map<string, OfRoute>>()

  constructor (register: Registry) {
    this.#requests = new Tally({
      name: `${PREFIX}http_requests_total`,
      help: 'Requests that were answered, by template of the route',
      labelNames: ['route', 'method', 'status'],
      register
    })
    this.#duration = new Distribution({
      name: `${PREFIX}http_request_duration_seconds`,
      help: 'From a request to the end of its answer',
      buckets: SHORT_S,
      register
    })
  }

  answered ({ method: sent, route = 'unknown', statusCode, durationMs }: Answered): void {
    const method = METHODS.has(sent) ? sent : 'other'
    const { duration, byStatus } = this.#routes.get(route)?.get(method) ?? this.#add(route, method)
    let cell = byStatus.get(statusCode)
    if (cell === undefined) {
      cell = this.#requests.cell({ route, method, status: statusCode })
      byStatus.set(statusCode, cell)
    }
    cell.value++
    duration.observe(durationMs / 1000)
  }

  #add (route: string, method: string): OfRoute {
    const added = { duration: this.#duration.series({ route, method }), byStatus: new Map<number, Cell>() }
    const methods = this.#routes.get(route) ?? new Map<string, OfRoute>()
    this.#routes.set(route, methods.set(method, added))
    return added
  }
}
