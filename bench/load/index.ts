/**
 * The load generator: a process of its own, which measures when it is told to.
 *
 * @module
 */
import { Connection } from './connection.js'
import { users, type Plan } from './users.js'

export interface Load {
  port: number
  connections: number
  plan: Plan
  /** Until then nothing counts, in seconds. */
  warmUp: number
  /** What counts, in seconds; undefined: until `stop`. */
  seconds?: number
}

export interface Measured {
  /** Of what counts. */
  requests: number
  /** Of those before and after, too. */
  total: number
  seconds: number
  /** Latencies in milliseconds. */
  p50: number
  p95: number
  p99: number
  /** Answers that were wrong, those before it counted included, and the first of them. */
  wrong: number
  firstWrong?: string
}

export type LoadMessage = { begun: true } | { ended: true } | Measured | { failed: string }

let stop: (() => void) | undefined

process.on('message', (order: Load | { stop: true }) => {
  const tell = (message: LoadMessage) => { process.send?.(message) }
  if ('stop' in order) { stop?.(); return }
  run(order, tell).then(tell, (error: unknown) => { tell({ failed: (error as Error).message }) })
})
process.on('disconnect', () => { process.exit() })
process.send?.({ begun: true })

async function run ({ port, connections, plan, warmUp, seconds }: Load, tell: (message: LoadMessage) => void): Promise<Measured> {
  const latencies: number[] = []
  let counting = false
  let total = 0
  let running = true
  let wrong = 0
  let firstWrong: string | undefined
  const open = Array.from({ length: connections }, () => new Connection(port))

  const work = users(plan, connections).map(async (user, index) => {
    const connection = open[index] as Connection
    while (running) {
      const start = performance.now()
      const problem = await user(connection)
      total++
      if (counting) latencies.push(performance.now() - start)
      if (problem !== undefined && ++wrong > 100) throw new Error(`too many wrong answers, such as ${firstWrong ?? problem}`)
      if (problem !== undefined) firstWrong ??= problem
    }
  })
  const all = Promise.all(work)
  try {
    await Promise.race([sleep(warmUp), all])
    const stopped = new Promise<void>((resolve) => { stop = resolve })
    counting = true
    tell({ begun: true })
    const start = performance.now()
    await Promise.race([stopped, all, ...(seconds === undefined ? [] : [sleep(seconds)])])
    counting = false
    const took = (performance.now() - start) / 1000
    tell({ ended: true })
    running = false
    await all
    const sorted = Float64Array.from(latencies).sort()
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN
    return {
      requests: latencies.length, total, seconds: took, p50: at(0.5), p95: at(0.95), p99: at(0.99), wrong, ...(firstWrong === undefined ? {} : { firstWrong })
    }
  } finally {
    running = false
    for (const connection of open) connection.close()
  }
}

const sleep = (seconds: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, seconds * 1000) })
