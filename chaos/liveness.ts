/**
 * Asks `/health/live` of one instance, as a load balancer does: from a thread of its own. Asked by the thread of the
 * people, an answer would seem as late as their own work is.
 *
 * @module
 */
import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { ask } from './http.js'
import { waitedForCpu } from './run-queue.js'

export interface Seen {
  /** The longest answer, in milliseconds. */
  slowestMs: number
  /** The longest answer, less the time for which the instance waited for a CPU: what is left is its own. */
  ownMs: number
  /** How often there was no answer. */
  failures: number
}

export interface Liveness {
  /** Answers count from now on: the instance runs, as this process. */
  watch (pid: number): void
  /** Answers no longer count: the instance is told to end. */
  ignore (): void
  /** Since the last call. */
  seen (): Seen
  close (): Promise<void>
}

const EVERY_MS = 100

/** The cells of the shared memory. A run is odd while answers count, and each watch() begins another one. */
const RUN = 0
const SLOWEST_MS = 1
const FAILURES = 2
const OWN_MS = 3
const PID = 4
const CELLS = 5

export function livenessOf (port: number): Liveness {
  const cells = new Int32Array(new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT))
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { port, cells } })
  worker.unref()
  const isWatched = () => Atomics.load(cells, RUN) % 2 === 1
  return {
    watch (pid) {
      Atomics.store(cells, PID, pid)
      if (!isWatched()) Atomics.add(cells, RUN, 1)
    },
    ignore () { if (isWatched()) Atomics.add(cells, RUN, 1) },
    seen: () => ({
      slowestMs: Atomics.exchange(cells, SLOWEST_MS, 0),
      ownMs: Atomics.exchange(cells, OWN_MS, 0),
      failures: Atomics.exchange(cells, FAILURES, 0)
    }),
    async close () { await worker.terminate() }
  }
}

async function probe ({ port, cells }: { port: number, cells: Int32Array }): Promise<void> {
  for (;;) {
    await sleep(EVERY_MS)
    const run = Atomics.load(cells, RUN)
    if (run % 2 === 0) continue
    const pid = Atomics.load(cells, PID)
    const waitedMs = waitedForCpu(pid)
    const began = performance.now()
    const isLive = await ask(`http://127.0.0.1:${port}/health/live`).then(({ status }) => status === 200, () => false)
    if (Atomics.load(cells, RUN) !== run) continue
    const ms = performance.now() - began
    raise(cells, SLOWEST_MS, ms)
    raise(cells, OWN_MS, ms - (waitedForCpu(pid) - waitedMs))
    if (!isLive) Atomics.add(cells, FAILURES, 1)
  }
}

const raise = (cells: Int32Array, cell: number, ms: number): void => {
  Atomics.store(cells, cell, Math.max(Atomics.load(cells, cell), Math.ceil(ms)))
}

/** On Linux, of this thread alone, so that it does not wait for a CPU with the instances. Only root may. */
function goAhead (): void {
  try {
    setPriority(0, constants.priority.PRIORITY_HIGH)
  } catch {
    // It waits, and an answer may seem later than it was.
  }
}

if (!isMainThread) {
  goAhead()
  await probe(workerData as Parameters<typeof probe>[0])
}
