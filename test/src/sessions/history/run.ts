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
import { moduleUrl } from '../../../support/root.js'

export interface HistoryOptions {
  url: string
  /** Calls that succeed, of all workers together. */
  operations: number
  /** Takes the database away and brings it back. */
  outage?: () => Promise<void>
  outages?: number
  workers?: number
  lanes?: number
  mutation?: Mutation
  /** Ends it early, at the first violation of this rule. */
  until?: string
  /** Told from time to time. */
  progress?: (done: number) => void
}

/** Lets workers use the store at once, and judges what they did while they do it. */
export async function history (t: Test, { url, operations, outage, outages = 0, workers = 3, lanes = 8, mutation, until, progress }: HistoryOptions) {
  const checker = new Checker()
  const children = Array.from({ length: workers }, (_, name) => worker(t, {
    url, name, operations: Math.ceil(operations / workers), lanes, ...(mutation === undefined ? {} : { mutation })
  }))
  children.forEach(({ told }, from) => {
    told.on('line', (line) => {
      if (!line.startsWith('{')) { process.stderr.write(`worker ${from}: ${line}\n`); return }
      children.forEach(({ child }, to) => { if (to !== from && child.stdin?.writable === true) child.stdin.write(`${line}\n`) })
    })
  })

  let done = 0
  let judged = 0
  let largest = 0
  let happened = 0
  let trouble: Promise<void> | undefined
  await merge(children.map(({ child }) => events(child.stdout as Readable)), (from, event) => {
    checker.take(from, event)
    for (; judged < checker.violations.length; judged++) {
      if (checker.violations[judged]?.rule === until) for (const { child } of children) child.stdin?.write('stop\n')
    }
    if (event.type !== 'end' || event.outcome !== 'ok') return
    done++
    if (done % 1000 === 0) largest = Math.max(largest, checker.size)
    if (done % 50_000 === 0) progress?.(done)
    if (outage === undefined || trouble !== undefined || happened >= outages || done < operations * (happened + 1) / (outages + 1)) return
    happened++
    trouble = outage().finally(() => { trouble = undefined })
  })
  await trouble
  for (const { ended } of children) await ended
  checker.finish()
  return { done, outages: happened, violations: checker.violations, counts: checker.counts, largest }
}

function worker (t: Test, options: WorkerOptions) {
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(moduleUrl('worker', import.meta.url)), JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.on('error', () => {}) // it has ended
  const ended = once(child, 'close').then(([code, signal]) => {
    if (code !== 0) throw new Error(`a worker ended with ${String(code ?? signal)}`)
  })
  ended.catch(() => {})
  return { child: child as ChildProcess, told: createInterface(child.stderr), ended }
}

/** The events of a worker, as many at a time as have come. */
async function* events (stream: Readable): AsyncGenerator<Event[]> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield lines.map(read)
  }
}

/** Hands over the events of all workers in the order of time. Reads no further ahead than it has to. */
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
    // Up to the end of what the first of them has given, nothing can come in between.
    while (going.every(({ waiting, next }) => next < waiting.length)) {
      const first = going.reduce((a, b) => (a.waiting[a.next] as Event).at <= (b.waiting[b.next] as Event).at ? a : b)
      take(first.from, first.waiting[first.next++] as Event)
    }
  }
}

/** Kills the database and starts it again a moment later. */
export const killed = (postgres: { kill (): Promise<void>, start (): Promise<void> }) => async (): Promise<void> => {
  await postgres.kill()
  await sleep(Math.random() * 1500)
  await postgres.start()
}
