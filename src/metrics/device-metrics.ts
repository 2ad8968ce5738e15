import { Counter, type Registry } from 'prom-client'
import type { Subscriptions } from '../subscriptions.js'
import { PREFIX } from './names.js'

/** Of the diagnostics channel `cashsouk-auth:device`. */
interface DeviceMessage { outcome: string }

const OUTCOMES = ['registered', 'refused', 'refreshed', 'missing', 'copied']

/** What happened with the devices to which sessions are bound, for all servers of the process. */
export function observeDevices (register: Registry, subscriptions: Subscriptions): void {
  const events = new Counter({
    name: `${PREFIX}device_events_total`,
    help: 'Device-bound sessions, by outcome (registered, refused, refreshed, missing, copied)',
    labelNames: ['outcome'],
    registers: [register]
  })
  for (const outcome of OUTCOMES) events.inc({ outcome }, 0)
  subscriptions.add('cashsouk-auth:device', ({ outcome }: DeviceMessage) => { events.inc({ outcome }) })
}
