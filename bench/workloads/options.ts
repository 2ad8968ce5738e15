import { compare, type Choice } from '../contestants.js'
import type { Bench, Result } from '../measure.js'
import { SERVER_WITH_DEVICES, SERVER_WITH_METRICS, THIS_SERVER } from '../names.js'
import { PROVIDER_SUB } from '../sample.js'
import { planForMe } from './me.js'

/** This server without options, and with those that every request or sign-in passes through. */
const CHOICES: readonly Choice[] = [
  { name: THIS_SERVER, file: 'this-server' },
  { name: SERVER_WITH_METRICS, file: 'this-server', env: { OPTIONS: 'metrics' } },
  { name: SERVER_WITH_DEVICES, file: 'this-server', env: { OPTIONS: 'devices' } }
]

/** Workload `me-options`: what options cost `GET /api/auth/me`. */
export const meWithOptions = (bench: Bench): Promise<Record<string, Result>> =>
  compare(bench, 'me-options', [...CHOICES], (contestant) => planForMe(bench, contestant, false))

/** Workload `sign-in-options`: what options cost a sign-in. */
export const signInWithOptions = (bench: Bench): Promise<Record<string, Result>> =>
  compare(bench, 'sign-in-options', [...CHOICES], async ({ table }) => {
    await table?.empty()
    return { kind: 'sign-in', expected: PROVIDER_SUB }
  })
