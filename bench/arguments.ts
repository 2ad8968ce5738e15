/**
 * The command line of the benchmark.
 *
 * @module
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Options } from './measure.js'
import { REFERENCE } from './names.js'
import { UsageError } from './usage-error.js'
import { WORKLOAD_NAMES, type WorkloadName } from './workloads/index.js'

export const USAGE = `npm run bench -- [options]

  --quick             takes a few minutes, to check that everything runs; the numbers mean little
  --only LIST         runs some workloads only: ${WORKLOAD_NAMES.slice(0, 6).join(', ')},
                      ${WORKLOAD_NAMES.slice(6).join(', ')}
  --contestants LIST  runs only contestants whose names contain one of these, and
                      ${REFERENCE}
  --rounds N          measurements of each contestant; default 5
  --seconds N         duration of a measurement; default 5
  --starts N          starts of each build in the workloads start and npm-start; default 10
  --baseline DIR      also runs the store and the server of the build in DIR, an older checkout of this
                      project after npm ci and npm run build, and prints how the current build
                      compares with them
  --out DIR           folder for results.json and results.svg; default bench
  --profile           writes CPU profiles of the contestants to DIR/profiles, which slows them down
  --docs              writes the results into docs/benchmark.md and README.md

Lists are separated by commas, as in --only me,sign-in,start.`

const QUICK = { rounds: 2, seconds: 1, warmUp: 1, rows: 100_000, starts: 3 }
const FULL = { rounds: 5, seconds: 5, warmUp: 3, rows: 1_000_000, starts: 10 }

export interface Arguments {
  quick: boolean
  docs: boolean
  out: string
  baseline: string | undefined
  only: WorkloadName[]
  options: Options
}

/**
 * @returns undefined if the usage was asked for.
 * @throws {UsageError} for a value that makes no sense; what `parseArgs` throws for an unknown option.
 */
export function parseArguments (args: string[]): Arguments | undefined {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      contestants: { type: 'string', default: '' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      starts: { type: 'string' },
      baseline: { type: 'string' },
      out: { type: 'string', default: 'bench' },
      profile: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return undefined
  const defaults = values.quick ? QUICK : FULL
  return {
    quick: values.quick,
    docs: values.docs,
    out: values.out,
    baseline: values.baseline,
    only: list(values.only).map(workloadName),
    options: {
      ...defaults,
      connections: 64,
      sessions: 1000,
      contestants: list(values.contestants),
      rounds: positive('rounds', values.rounds) ?? defaults.rounds,
      seconds: positive('seconds', values.seconds) ?? defaults.seconds,
      starts: positive('starts', values.starts) ?? defaults.starts,
      profiles: values.profile ? resolve(values.out, 'profiles') : undefined
    }
  }
}

const list = (text: string): string[] => text.split(',').filter((name) => name !== '')

function workloadName (name: string): WorkloadName {
  const found = WORKLOAD_NAMES.find((known) => known === name)
  if (found === undefined) throw new UsageError(`${name} is not a workload`)
  return found
}

function positive (name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0)) throw new UsageError(`--${name} must be a number above 0`)
  return value
}
