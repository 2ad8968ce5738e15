import { MAX_MAX_AGE_S } from '../login/login-request.js'

/** What a proxy asks of a session. `maxAge` is in seconds. */
export interface Demand {
  /** The user must have one of them. */
  roles?: readonly string[]
  maxAge?: number
  /** Whether the request counts as use of the session. */
  slide: boolean
  /** The claim `aud` of the assertion. */
  audience?: string
}

/** The parameters cannot be answered: the proxy is set up wrongly, or hands on its visitor's query. */
export class DemandProblem {
  /** For the log: which parameter, and what it must be. It holds no value of the request. */
  readonly reason: string

  constructor (reason: string) {
    this.reason = reason
  }
}

/**
 * Reads the parameters of `verify`. Each narrows who is let in, so that a visitor gains nothing by adding one.
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
    const problem = typeof value === 'string'
      ? apply(demand, name, value, roles)
      : `${named(name)} is given more than once`
    if (problem !== undefined) return new DemandProblem(problem)
  }
  return demand
}

/** The same for oauth2-proxy's query: `allowed_groups`, a comma-separated list, takes the place of `role`. */
export function oauth2Demand (
  { allowed_groups: groups, ...others }: Readonly<Record<string, unknown>>, roles: readonly string[]
): Demand | DemandProblem {
  if ('role' in others) return new DemandProblem(UNKNOWN)
  const demand = demandOf(others, roles)
  if (groups === undefined || demand instanceof DemandProblem) return demand
  if (typeof groups !== 'string') return new DemandProblem('allowed_groups is given more than once')
  const known = groups.split(',').filter((group) => roles.includes(group))
  if (known.length === 0) return new DemandProblem(`allowed_groups must name one of ${roles.join(', ')}`)
  return { ...demand, roles: known }
}

const AUDIENCE = /^[\x21-\x7e]{1,256}$/

const UNKNOWN = 'the query has an unknown parameter'

/** A name that a visitor may have added is not repeated. */
const named = (name: string): string => ['role', 'max_age', 'slide', 'audience'].includes(name) ? name : 'a parameter'

/** Adds a parameter to `demand`. Returns what is wrong with it, if anything is. */
function apply (demand: Demand, name: string, value: string, roles: readonly string[]): string | undefined {
  switch (name) {
    case 'role':
      demand.roles = [value]
      return roles.includes(value) ? undefined : `role must be one of ${roles.join(', ')}`
    case 'max_age':
      demand.maxAge = /^[1-9]\d{0,4}$/.test(value) ? Number(value) : Infinity
      return demand.maxAge <= MAX_MAX_AGE_S
        ? undefined
        : `max_age must be a whole number of seconds from 1 to ${MAX_MAX_AGE_S}`
    case 'slide':
      demand.slide = value === 'true'
      return ['true', 'false'].includes(value) ? undefined : 'slide must be true or false'
    case 'audience':
      demand.audience = value
      return AUDIENCE.test(value) ? undefined : 'audience must be 1 to 256 printable ASCII characters without spaces'
    default:
      return UNKNOWN
  }
}
