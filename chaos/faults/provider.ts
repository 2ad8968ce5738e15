/** Cognito that does not answer as it should. @module */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Manner } from '../provider.js'
import { FAULT_MS, PROVIDER_ANSWER_MS, RECOVERY_MS, type Scenario } from '../scenario.js'

const manners: [Manner, string][] = [
  ['hangs', 'never answers'],
  ['drips', 'sends a byte each 200 ms'],
  ['endless', 'sends without an end'],
  [429, 'answers 429'],
  [500, 'answers 500']
]

export const providers = manners.map(([manner, what]): Scenario => ({
  name: `cognito-${manner}`,
  what: `Cognito ${what} for 8 s`,
  // A code can be exchanged only once, so a callback that Cognito keeps waiting is not sent again: it fails when its
  // 5 s are over, however soon Cognito is well.
  bounds: { answer: PROVIDER_ANSWER_MS, recovery: PROVIDER_ANSWER_MS, newRequests: RECOVERY_MS },
  times: 2,
  async fault ({ provider }) {
    provider.manner = manner
    await sleep(FAULT_MS)
    provider.manner = 'well'
  }
}))
