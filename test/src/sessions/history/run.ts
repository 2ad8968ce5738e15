import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { Checker } from './checker.js'
import { read, type Event } from './events.js'
import type { Mutation } from './mutations.js'
import type { WorkerOptions } from './worker.js'
import { moduleUrl, nodeOptions } from '../../../support/root.js'

export interface HistoryOptions {
  url: string
  /** How many calls of all workers must succeed. */
  operations: number
  /** Stops the database and starts it again. */
  outage?: () => Promise<void>
  outages?: number
  workers?: number
  lanes?: number
  mutation?: Mutation
  /** Stops at the first violation of this rule. */
  until?: string
  /** Called after every 50,000 calls. */
  progress?: (done: number) => void
}

/** Runs workers that use the store concurrently, and checks their history meanwhile. */
export async function history (t: Test, options: HistoryOptions) {
  const { url, operations, outage, outages = 0, workers = 3, lanes = 8, mutation, until, progress } = options
  const checker = new Checker()
  const children = Array.from({ length: workers }, (_, name) => worker(t, {
    url, name, operations: Math.ceil(operations / workers), lanes, ...(mutation === undefined ? {} : { mutation })
  }))
  children.forEach(({ announced }, from) => {
    announced.on('line', (line) => {
      if (!line.startsWith('{')) {
        process.stderr.write(`worker ${from}: ${line}\n`)
        return
      }
      children.forEach(({ child }, to) => {
        if (to !== from && child.stdin?.writable === true) child.stdin.write(`${line}\n`)
      })
    })
  })

  let done = 0
  let judged = 0
  let largest = 0
  let happened = 0
  let running: Promise<void> | undefined
  await merge(children.map(({ child }) => events(child.stdout as Readable)), (from, event) => {
    checker.take(from, event)
    for (; judged < checker.violations.length; judged++) {
      if (checker.violations[judged]?.rule === until) for (const { child } of children) child.stdin?.write('stop\n')
    }
    if (event.type !== 'end' || event.outcome !== 'ok') return
    done++
    if (done % 1000 === 0) largest = Math.max(largest, checker.size)
    if (done % 50_000 === 0) progress?.(done)
    if (outage === undefined || running !== undefined || happened >= outages) return
    if (done < operations * (happened + 1) / (outages + 1)) return
    happened++
    running = outage().finally(() => { running = undefined })
  })
  await running
  for (const { ended } of children) await ended
  checker.finish()
  return { done, outages: happened, violations: checker.violations, counts: checker.counts, largest }
}

function worker (t: Test, options: WorkerOptions) {
  const path = fileURLToPath(moduleUrl('worker', import.meta.url))
  const child = spawn(process.execPath, [...nodeOptions, path, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.on('error', () => {}) // the worker has ended
  const ended = once(child, 'close').then(([code, signal]) => {
    if (code !== 0) throw new Error(`a worker ended with ${String(code ?? signal)}`)
  })
  ended.catch(() => {})
  return { child: child as ChildProcess, announced: createInterface(child.stderr), ended }
}

/** The events of a worker, in groups as they arrive. */
async function* events (stream: Readable): AsyncGenerator<Event[]> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield lines.map(read)
  }
}

/** Passes on the events of all workers in the order of time. Reads no further ahead than necessary. */
async function merge (streams: AsyncGenerator<Event[]>[], take: (from: number, event: Event) => void): Promise<void> {
  const heads = streams.map((stream, from) => ({ stream, from, waiting: [] as Event[], next: 0, over: false }))
  for (;;) {
    for (const head of heads) {
      while (!head.over && head.next === head.waiting.length) {
        const { value, done } = await head.stream.next() as IteratorResult<Event[], undefined>
        head.over = done === true
        head.waiting = value ?? []
        head.next = 0
      }
    }
    const going = heads.filter(({ over }) => !over)
    if (going.length === 0) return
    // No earlier event can arrive while every worker has one waiting.
    while (going.every(({ waiting, next }) => next < waiting.length)) {
      const first = going.reduce((a, b) => (a.waiting[a.next] as Event).at <= (b.waiting[b.next] as Event).at ? a : b)
      take(first.from, first.waiting[first.next++] as Event)
    }
  }
}

/** Kills the database and starts it again up to 1.5 s later. */
export const killed = (postgres: { kill (): Promise<void>, start (): Promise<void> }) => async (): Promise<void> => {
  await postgres.kill()
  await sleep(Math.random() * 1500)
  await postgres.start()
}
