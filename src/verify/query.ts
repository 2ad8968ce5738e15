import { MAX_MAX_AGE_S } from '../login/login-request.js'

/** What a proxy asks of a session. `maxAge` is in seconds. */
export interface Demand {
  role?: string
  maxAge?: number
  /** Whether the request counts as use of the session. */
  slide: boolean
}

const NAMES = ['role', 'max_age', 'slide']

/** The parameters cannot be answered: the proxy is set up wrongly, or hands on its visitor's query. */
export class DemandProblem {
  /** For the log: which parameter, and what it must be. It holds no value of the request. */
  readonly reason: string

  constructor (reason: string) {
    this.reason = reason
  }
}

/**
 * Reads the parameters of `verify`. All of them only narrow who is let in, so that nobody gets in by adding one.
 *
 * Anything that is not understood is a problem. An empty parameter is one too, unlike elsewhere: it is what becomes of
 * a variable that is not set in the proxy's configuration, and must not open what it was to guard.
 *
 * @param query as the query parser gives it: a parameter that is given several times is an array.
 * @param roles `ROLES`.
 */
export function demandOf (
  query: Readonly<Record<string, unknown>>, roles: readonly string[]
): Demand | DemandProblem {
  const demand: Demand = { slide: false }
  for (const name in query) {
    const value = query[name]
    if (!NAMES.includes(name)) return new DemandProblem('the query has a parameter other than role, max_age and slide')
    if (typeof value !== 'string') return new DemandProblem(`${name} is given more than once`)
    if (name === 'role') {
      if (!roles.includes(value)) return new DemandProblem(`role must be one of ${roles.join(', ')}`)
      demand.role = value
    } else if (name === 'max_age') {
      const maxAge = /^[1-9]\d{0,4}$/.test(value) ? Number(value) : Infinity
      if (maxAge > MAX_MAX_AGE_S) {
        return new DemandProblem(`max_age must be a whole number of seconds from 1 to ${MAX_MAX_AGE_S}`)
      }
      demand.maxAge = maxAge
    } else {
      if (value !== 'true' && value !== 'false') return new DemandProblem('slide must be true or false')
      demand.slide = value === 'true'
    }
  }
  return demand
}
