import { Counter, Histogram, type Registry } from 'prom-client'
import { providerCall, type ProviderCall } from '../channels.js'
import { PREFIX, PROVIDER_S } from './names.js'
import { outcomeOf } from './outcome.js'
import type { Subscriptions } from '../subscriptions.js'

/** Calls to Cognito, of all servers of the process. */
export function observeProvider (register: Registry, subscriptions: Subscriptions): void {
  const registers = [register]
  const calls = new Counter({
    name: `${PREFIX}provider_calls_total`,
    help: 'Calls to Cognito, by endpoint (token, refresh, revoke, jwks) and outcome (ok, or the code of the error)',
    labelNames: ['endpoint', 'outcome'],
    registers
  })
  const duration = new Histogram({
    name: `${PREFIX}provider_call_duration_seconds`,
    help: 'Until Cognito has answered, or was given up',
    labelNames: ['endpoint'],
    buckets: PROVIDER_S,
    registers
  })
  for (const endpoint of ['token', 'refresh', 'revoke', 'jwks']) calls.inc({ endpoint, outcome: 'ok' }, 0)
  subscriptions.add(providerCall.name, ({ endpoint, durationMs, error }: ProviderCall) => {
    calls.inc({ endpoint, outcome: outcomeOf(error) })
    duration.observe({ endpoint }, durationMs / 1000)
  })
}
