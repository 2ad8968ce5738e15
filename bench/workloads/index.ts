/**
 * The workloads, in the order in which they run.
 *
 * @module
 */
import type { Bench, Result } from '../measure.js'
import { disk, type Disk } from './disk.js'
import { hashes } from './hashes.js'
import { heap, type Heap } from './heap.js'
import { latency, type Latency } from './latency.js'
import { me } from './me.js'
import { meWithOptions, signInWithOptions } from './options.js'
import { npmStart, type NpmStarts } from './npm-start.js'
import { prune, type Pruning } from './prune.js'
import { rows } from './rows.js'
import { signIn } from './sign-in.js'
import { start, type Starts } from './start.js'
import { stores } from './stores.js'
import { verify } from './verify.js'

/** Results by workload and contestant. */
export interface Findings {
  'read'?: Record<string, Result>
  'rolling'?: Record<string, Result>
  'change'?: Record<string, Result>
  'me'?: Record<string, Result>
  'verify'?: Record<string, Result>
  'sign-in'?: Record<string, Result>
  'me-options'?: Record<string, Result>
  'sign-in-options'?: Record<string, Result>
  'start'?: Record<string, Starts>
  'hashes'?: Record<string, number>
  'heap'?: Record<string, Heap>
  'latency'?: Record<string, Latency>
  'rows'?: Record<string, Result>
  'prune'?: Record<string, Pruning>
  'disk'?: Record<string, Disk>
  'npm-start'?: Record<string, NpmStarts>
}

export type WorkloadName = keyof Findings

export const WORKLOADS: { [Name in WorkloadName]-?: (bench: Bench) => Promise<NonNullable<Findings[Name]>> } = {
  'read': (bench) => stores(bench, 'read'),
  'rolling': (bench) => stores(bench, 'rolling'),
  'change': (bench) => stores(bench, 'change'),
  'me': me,
  'verify': verify,
  'sign-in': signIn,
  'me-options': meWithOptions,
  'sign-in-options': signInWithOptions,
  'start': start,
  'hashes': hashes,
  'heap': heap,
  'latency': latency,
  'rows': rows,
  'prune': prune,
  'disk': disk,
  // The last one: a baseline may compile itself, and remove its servers of the benchmark.
  'npm-start': npmStart
}

export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[]
