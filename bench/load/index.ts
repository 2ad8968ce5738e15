/**
 * The load generator: a process that runs one measurement per message.
 *
 * @module
 */
import { percentile } from '../statistics.js'
import { Connection } from './connection.js'
import { users, type Plan } from './users.js'

export interface Load {
  port: number
  connections: number
  plan: Plan
  /** Seconds before counting begins. */
  warmUp: number
  /** Seconds of counting. Undefined: until `stop`. */
  seconds?: number
}

export interface Measured {
  /** Counted requests. */
  requests: number
  /** All requests, also those before and after counting. */
  total: number
  seconds: number
  /** Latencies in milliseconds. */
  p50: number
  p95: number
  p99: number
  /** Wrong answers among all requests, and the first of them. */
  wrong: number
  firstWrong?: string
}

export type LoadMessage = { begun: true } | { ended: true } | Measured | { failed: string }

const MAX_WRONG_ANSWERS = 100

let stop: (() => void) | undefined

process.on('message', (order: Load | { stop: true }) => {
  const send = (message: LoadMessage) => { process.send?.(message) }
  if ('stop' in order) {
    stop?.()
    return
  }
  run(order, send).then(send, (error: unknown) => { send({ failed: (error as Error).message }) })
})
process.on('disconnect', () => { process.exit() })
process.send?.({ begun: true })

async function run (load: Load, send: (message: LoadMessage) => void): Promise<Measured> {
  const { port, connections, plan, warmUp, seconds } = load
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
      if (problem === undefined) continue
      wrong++
      firstWrong ??= problem
      if (wrong > MAX_WRONG_ANSWERS) throw new Error(`too many wrong answers, such as ${firstWrong}`)
    }
  })
  const all = Promise.all(work)
  try {
    await Promise.race([sleep(warmUp), all])
    const stopped = new Promise<void>((resolve) => { stop = resolve })
    counting = true
    send({ begun: true })
    const start = performance.now()
    await Promise.race([stopped, all, ...(seconds === undefined ? [] : [sleep(seconds)])])
    counting = false
    const took = (performance.now() - start) / 1000
    send({ ended: true })
    running = false
    await all
    const sorted = Float64Array.from(latencies).sort()
    return {
      requests: latencies.length,
      total,
      seconds: took,
      p50: percentile(sorted, 0.5),
      p95: percentile(sorted, 0.95),
      p99: percentile(sorted, 0.99),
      wrong,
      ...(firstWrong === undefined ? {} : { firstWrong })
    }
  } finally {
    running = false
    for (const connection of open) connection.close()
  }
}

const sleep = (seconds: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, seconds * 1000) })
