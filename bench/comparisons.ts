/**
 * Results of a workload as ratios to one contestant.
 *
 * @module
 */
import type { Result, Sample } from './measure.js'
import { FASTIFY_PG, FASTIFY_REDIS, OTHER_MIDDLEWARE, OTHER_SERVER, REFERENCE, THIS_SERVER } from './names.js'
import type { Findings } from './workloads/index.js'

interface Subject {
  title: string
  /** The contestant that ratios refer to. */
  reference: string
}

const SUBJECTS = {
  'read': { title: 'Read a session', reference: REFERENCE },
  'rolling': { title: 'Read a session, expiry rolling', reference: REFERENCE },
  'change': { title: 'Change the session at every request', reference: REFERENCE },
  'me': { title: 'GET /api/auth/me', reference: FASTIFY_REDIS },
  'verify': { title: 'GET /api/auth/verify', reference: OTHER_MIDDLEWARE },
  'sign-in': { title: 'Sign in: login and callback', reference: OTHER_SERVER },
  'me-options': { title: 'GET /api/auth/me with options', reference: THIS_SERVER },
  'sign-in-options': { title: 'Sign in with options', reference: THIS_SERVER },
  'rows': { title: 'Read a session, small and large table', reference: FASTIFY_PG }
} satisfies Record<string, Subject>

export interface Comparison extends Subject {
  workload: keyof typeof SUBJECTS
  results: Record<string, Result>
}

/** The workloads that have been measured under load. */
export function comparisons (found: Findings): Comparison[] {
  const workloads = Object.keys(SUBJECTS) as (keyof typeof SUBJECTS)[]
  return workloads.flatMap((workload) => {
    const results = found[workload]
    return results === undefined ? [] : [{ workload, ...SUBJECTS[workload], results }]
  })
}

/** Ratio of medians. NaN if one of them was not measured. */
export function ratio ({ results, reference }: Comparison, name: string, pick: (sample: Sample) => number): number {
  const [ours, theirs] = [results[name], results[reference]]
  return ours === undefined || theirs === undefined ? NaN : pick(ours.median) / pick(theirs.median)
}

/** The smallest and the largest ratio of two values that were measured in the same round. */
export function spread (ours: number[], theirs: number[]): [number, number] {
  const ratios = ours.map((value, round) => value / (theirs[round] ?? NaN))
  return [Math.min(...ratios), Math.max(...ratios)]
}

/** Requests per second in each round. */
export const throughputs = (result: Result | undefined): number[] =>
  (result?.rounds ?? []).map(({ requestsPerSecond }) => requestsPerSecond)
