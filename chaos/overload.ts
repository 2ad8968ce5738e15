/**
 * `npm run chaos:overload`: finds what the instances can bear, and then sends five times as much, whether or not they
 * keep up. What is admitted must be answered soon, and the rest refused at once.
 *
 * @module
 */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from './cluster.js'
import { ask, cookieOf } from './http.js'
import { endTogether } from './processes.js'

const FACTOR = 5
const CALIBRATION_MS = 8000
const OVERLOAD_MS = 15_000
const LANES = 60
/** Of what is admitted, in milliseconds. */
const MAX_P99_MS = 1000
/** After the overload, in milliseconds. */
const MAX_RECOVERY_MS = 2000
const PROBES = 20

interface Seen { status: number, ms: number }

endTogether()
const cluster = await startCluster()
const agent = new Agent({ keepAlive: true, maxSockets: 2000 })
let isGood = false
try {
  const seen: Seen[] = []
  const began = performance.now()
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (performance.now() - began < CALIBRATION_MS) await signIn(seen)
  }))
  const perSecond = seen.filter(({ status }) => status < 500).length / 2 / (CALIBRATION_MS / 1000)

  const flood: Seen[] = []
  const sent: Promise<void>[] = []
  const start = performance.now()
  while (performance.now() - start < OVERLOAD_MS) {
    const due = Math.floor((performance.now() - start) / 1000 * perSecond * FACTOR)
    while (sent.length < due) sent.push(signIn(flood))
    await sleep(5)
  }
  await Promise.all(sent)
  const ended = performance.now()
  let recoveryMs = 0
  for (let probe = 0; probe < PROBES; probe++) {
    const seenNow: Seen[] = []
    await signIn(seenNow)
    if (seenNow.some(({ status }) => status >= 500)) recoveryMs = performance.now() - ended
    await sleep(200)
  }
  const admitted = flood.filter(({ status }) => status > 0 && status < 500)
  const refused = flood.filter(({ status }) => status === 503)
  const others = flood.length - admitted.length - refused.length
  const p99 = percentile(admitted, 0.99)
  isGood = p99 < MAX_P99_MS && recoveryMs < MAX_RECOVERY_MS && others === 0
  process.stdout.write([
    `It can bear ${perSecond.toFixed(0)} sign-ins a second, and got ${(sent.length / OVERLOAD_MS * 1000).toFixed(0)}.`,
    `Admitted: ${admitted.length} requests, p50 ${percentile(admitted, 0.5).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms.`,
    `Refused with 503: ${refused.length}, p50 ${percentile(refused, 0.5).toFixed(0)} ms, ` +
    `p99 ${percentile(refused, 0.99).toFixed(0)} ms. Other answers, or none: ${others}.`,
    `Right again after ${recoveryMs.toFixed(0)} ms.`
  ].join('\n') + '\n')
} finally {
  agent.destroy()
  await cluster.close()
}
process.exit(isGood ? 0 : 1)

async function signIn (seen: Seen[]): Promise<void> {
  const login = await timed(seen, '/api/auth/login', '')
  if (login?.status !== 302) return
  const { state = '', nonce = '' } = Object.fromEntries(new URL(login.headers.location ?? '').searchParams)
  await timed(seen, `/api/auth/callback?${new URLSearchParams({ code: nonce, state }).toString()}`, cookieOf(login))
}

async function timed (seen: Seen[], path: string, cookie: string) {
  const began = performance.now()
  const headers = { cookie, accept: 'application/json' }
  const answer = await ask(`${cluster.url}${path}`, { agent, headers }).catch(() => undefined)
  seen.push({ status: answer?.status ?? 0, ms: performance.now() - began })
  return answer
}

function percentile (seen: Seen[], share: number): number {
  const sorted = seen.map(({ ms }) => ms).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}
