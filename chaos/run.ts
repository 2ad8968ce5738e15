import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type Cluster } from './cluster.js'
import { full, smallDisk } from './faults/database.js'
import type { Ledger } from './ledger.js'
import { startPeople } from './people.js'
import { LIVE_MS, type Scenario } from './scenario.js'

export interface Outcome {
  name: string
  what: string
  times: number
  requests: number
  signIns: number
  signOuts: number
  failures: number
  lost: number
  undone: number
  lostLogins: number
  restartedLogins: number
  slowestMs: number
  /** Until the last failed answer. */
  recoveryMs: number
  /** Until the last request began that failed. */
  newRequestsMs: number
  liveMs: number
  /** Without the time for which the instance waited for a CPU. */
  liveOwnMs: number
  /** What is beyond the scenario's bounds; empty: it held. */
  problems: string[]
}

const UNBOUNDED = { answer: Infinity, recovery: Infinity }
/** How long after a fault people are watched, if its recovery has no bound. In milliseconds. */
const WATCH_MS = 3000
/** People at a time. */
const PEOPLE = 20
/** Without a fault, before the first and after each one. */
const CALM_MS = 3000

/**
 * Runs one scenario on a cluster of its own.
 *
 * @param isUntimed whether bounds of time, and on failed requests, are left aside.
 * @returns undefined if this machine cannot bring the fault about.
 */
export async function run (given: Scenario, times: number, isUntimed = false): Promise<Outcome | undefined> {
  const scenario = isUntimed ? { ...given, bounds: UNBOUNDED } : given
  if (scenario.isPossible?.() === false) return undefined
  const disk = given === full ? smallDisk() : { close () {} }
  if (disk === undefined) return undefined
  const cluster = await startCluster(scenario.cluster)
  try {
    return await runOn(cluster, scenario, times)
  } finally {
    await cluster.close()
    disk.close()
  }
}

async function runOn (cluster: Cluster, scenario: Scenario, times: number): Promise<Outcome> {
  const { instances } = cluster
  await scenario.prepare?.(cluster)
  const people = startPeople(cluster.url, PEOPLE)
  const { ledger } = people
  await sleep(CALM_MS)
  if (ledger.failures.length > 0) throw new Error(`it fails without a fault: ${JSON.stringify(ledger.failures[0])}`)
  for (const instance of instances) instance.liveness()
  let recoveryMs = 0
  let newRequestsMs = 0
  for (let time = 1; time <= times; time++) {
    await scenario.fault(cluster)
    const ended = performance.now()
    await sleep(CALM_MS + Math.min(scenario.bounds.recovery, WATCH_MS))
    recoveryMs = Math.max(recoveryMs, (ledger.failures.at(-1)?.at ?? 0) - ended)
    for (const { beganAt } of ledger.failures) newRequestsMs = Math.max(newRequestsMs, beganAt - ended)
    await scenario.whole?.(cluster)
  }
  const liveness = instances.map((instance) => instance.liveness())
  await people.stop()
  await people.audit()
  await scenario.tidy?.(cluster)
  const figures = {
    requests: ledger.requests,
    signIns: ledger.signIns,
    signOuts: ledger.signOuts,
    failures: ledger.failures.length,
    lost: ledger.lost.length,
    undone: ledger.undone.length,
    lostLogins: ledger.lostLogins.length,
    restartedLogins: ledger.restartedLogins,
    slowestMs: Math.round(ledger.slowest.ms),
    recoveryMs: Math.round(Math.max(0, recoveryMs)),
    newRequestsMs: Math.round(newRequestsMs),
    liveMs: Math.max(...liveness.map(({ slowestMs }) => slowestMs)),
    liveOwnMs: Math.max(...liveness.map(({ ownMs }) => ownMs))
  }
  const exits = instances.filter(({ hasFailed }) => hasFailed).length
  const unanswered = liveness.reduce((sum, { failures }) => sum + failures, 0)
  const problems = problemsOf(scenario, ledger, figures, { exits, unanswered })
  return { name: scenario.name, what: scenario.what, times, ...figures, problems }
}

type Figures = Pick<Outcome, 'failures' | 'slowestMs' | 'recoveryMs' | 'newRequestsMs' | 'liveMs' | 'liveOwnMs'>

function problemsOf (
  { bounds }: Scenario, { lost, undone, lostLogins, slowest, failures }: Ledger, figures: Figures,
  { exits, unanswered }: { exits: number, unanswered: number }
): string[] {
  const allowed = bounds.failures ?? Infinity
  const [first] = failures
  const isLate = allowed === Infinity && figures.recoveryMs > bounds.recovery
  const isLateForNew = allowed === Infinity && figures.newRequestsMs > (bounds.newRequests ?? Infinity)
  return [
    ...some(lost, 'acknowledged sessions are gone'),
    ...some(undone, 'acknowledged sign-outs are undone'),
    ...some(lostLogins, 'acknowledged logins are gone'),
    ...(figures.slowestMs > bounds.answer ? [`${slowest.what} took ${figures.slowestMs} ms`] : []),
    ...(isLate ? [`requests failed for ${figures.recoveryMs} ms after the fault`] : []),
    ...(isLateForNew ? [`requests that began ${figures.newRequestsMs} ms after the fault failed`] : []),
    ...(figures.failures > allowed
      ? [`${figures.failures} requests failed, the first: ${first?.what} ${first?.how}`]
      : []),
    ...(exits > 0 ? [`${exits} instances have ended`] : []),
    ...(figures.liveMs > LIVE_MS && bounds !== UNBOUNDED
      ? [`/health/live took ${figures.liveMs} ms, and ${figures.liveOwnMs} ms without its waits for a CPU`]
      : []),
    ...(unanswered > 0 && bounds !== UNBOUNDED ? [`/health/live did not answer ${unanswered} times`] : [])
  ]
}

const some = (found: string[], what: string): string[] =>
  found.length === 0 ? [] : [`${found.length} ${what}; the first got ${found[0]}`]
