/**
 * The current build as ratios to the baseline.
 *
 * @module
 */
import { spread, throughputs } from './comparisons.js'
import { number, range, textTable } from './format.js'
import { ofBaseline, THIS_SERVER, THIS_STORE, THIS_STORE_AT_BEST } from './names.js'
import type { Findings } from './workloads/index.js'

/** One figure of both builds. */
export interface Figure {
  what: string
  current: number
  baseline: number
  /** Current to baseline. */
  ratio: number
  /** The smallest and the largest ratio of one round. */
  rounds?: [number, number]
  /** Ratio of the contestants' CPU time per request or start, which depends less on other processes. */
  cpuRatio?: number
}

const THROUGHPUTS = [
  ['read', THIS_STORE, 'read: requests per second'],
  ['read', THIS_STORE_AT_BEST, 'read, best settings: requests per second'],
  ['rolling', THIS_STORE, 'rolling: requests per second'],
  ['rolling', THIS_STORE_AT_BEST, 'rolling, best settings: requests per second'],
  ['change', THIS_STORE, 'change: requests per second'],
  ['change', THIS_STORE_AT_BEST, 'change, best settings: requests per second'],
  ['me', THIS_SERVER, 'GET /api/auth/me: requests per second'],
  ['sign-in', THIS_SERVER, 'sign-in: rounds per second']
] as const

/** @returns the figures that were measured for both builds. */
export function baselineFigures (found: Findings): Figure[] {
  const starts = bothOf(found['npm-start'], THIS_SERVER)
  const figures = [
    ...THROUGHPUTS.map(([workload, name, what]) => {
      const [current, baseline] = bothOf(found[workload], name)
      const medians = [current, baseline].map((result) => result?.median)
      return {
        ...figure(what, medians.map((sample) => sample?.requestsPerSecond)),
        rounds: spread(throughputs(current), throughputs(baseline)),
        cpuRatio: quotient(medians.map((sample) => sample?.contestantCpu))
      }
    }),
    startFigure(found),
    {
      ...figure('npm start to the first user who is signed in: ms', starts.map((build) => build?.median)),
      rounds: roundsOf(starts)
    },
    figure('idle after npm start: MiB resident', starts.map((build) => build?.idleMiB)),
    figure('heap: bytes per waiting get', bothOf(found.heap, 'this store').map((heap) => heap?.get)),
    figure('heap: bytes per waiting set', bothOf(found.heap, 'this store').map((heap) => heap?.set)),
    figure('GET /api/auth/me: calls of createHash per request', bothOf(found.hashes, THIS_SERVER))
  ]
  return figures.filter((one) => !Number.isNaN(one.ratio))
}

function startFigure ({ start }: Findings): Figure {
  const both = bothOf(start, THIS_SERVER)
  return {
    ...figure('start to ready: ms', both.map((starts) => starts?.median)),
    rounds: roundsOf(both),
    cpuRatio: quotient(both.map((starts) => starts?.cpu))
  }
}

const roundsOf = ([current, baseline]: ({ rounds: number[] } | undefined)[]): [number, number] =>
  spread(current?.rounds ?? [], baseline?.rounds ?? [])

/** The values of the current build and of the baseline. */
const bothOf = <Value>(values: Record<string, Value> | undefined, name: string): (Value | undefined)[] =>
  [name, ofBaseline(name)].map((key) => values?.[key])

type Pair = (number | undefined)[]

const quotient = ([current = NaN, baseline = NaN]: Pair): number => current / baseline

function figure (what: string, pair: Pair): Figure {
  const [current = NaN, baseline = NaN] = pair
  return { what, current, baseline, ratio: quotient(pair) }
}

/** @param label of the baseline. */
export function baselineReport (figures: Figure[], label: string): string {
  const rows = figures.map(({ what, current, baseline, ratio, rounds, cpuRatio }) => [
    what,
    number(current),
    number(baseline),
    number(ratio),
    rounds === undefined ? '' : range(rounds),
    cpuRatio === undefined ? '' : number(cpuRatio)
  ])
  return `This build compared with ${label}\n\n` +
    textTable(['', 'this build', 'baseline', 'ratio', 'rounds', 'CPU ratio'], rows)
}
