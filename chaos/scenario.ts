import type { Cluster, ClusterOptions } from './cluster.js'

/** What a fault may cost at most. Milliseconds. */
export interface Bounds {
  /** Of every answer, while the fault lasts and after it. */
  answer: number
  /** From the end of the fault until no request fails any more, those included that had begun before. */
  recovery: number
  /** From the end of the fault until no request begins that fails. Default: `recovery` bounds it, too. */
  newRequests?: number
  /** How many requests may fail. Default: any number, as long as nothing acknowledged is lost. */
  failures?: number
}

export interface Scenario {
  name: string
  /** What happens, in one line of the report. */
  what: string
  bounds: Bounds
  /** Whether this machine can bring the fault about. Default: it can. */
  isPossible?: () => boolean
  /** How often, unless the command line says otherwise. */
  times: number
  cluster?: ClusterOptions
  /** Before the people come. */
  prepare?: (cluster: Cluster) => Promise<void>
  /** Brings the fault about. Resolves when it has ended: requests must work again. */
  fault (cluster: Cluster): Promise<void>
  /** After each time: resolves when the fault can happen again. */
  whole?: (cluster: Cluster) => Promise<void>
  /** After the last time. */
  tidy?: (cluster: Cluster) => Promise<void>
}

export const ANSWER_MS = 5000
/** Where Cognito is asked. */
export const PROVIDER_ANSWER_MS = 8000
export const RECOVERY_MS = 1000
/** Of `/health/live`, whatever the fault is. */
export const LIVE_MS = 50
export const PROMOTION_MS = 2000

/** How long most faults last, in milliseconds. */
export const FAULT_MS = 8000
