import { readFileSync } from 'node:fs'

/**
 * How long the main thread of a process has been ready to run and waited for a CPU, in milliseconds. Always 0 where the
 * kernel does not count it.
 *
 * @see {@link https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat}
 */
export function waitedForCpu (pid: number): number {
  try {
    const [, waitedNs = '0'] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')
    return Number(waitedNs) / 1e6
  } catch {
    return 0 // it has ended
  }
}
