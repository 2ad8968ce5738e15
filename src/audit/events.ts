import { deviceInWords, deviceOf } from '../device.js'
import type { AuthEvent } from '../sessions/index.js'

/** What the audit trail records. */
export const EVENT_TYPES = ['sign_in', 'step_up', 'refused', 'sign_out', 'ended', 'renewal_refused', 'device'] as const

export type EventType = typeof EVENT_TYPES[number]

/** Who ended a session: the user, this server by a rule, Cognito or someone there, or an operator here. */
export type Actor = 'user' | 'server' | 'cognito' | 'operator'

/** An event of this server. */
export interface Event extends AuthEvent { type: EventType, actor?: Actor | undefined }

/** The parts of a request that an event names. */
interface Asking { id: string, ip: string, headers: { 'user-agent'?: string | undefined } }

/** An event that a request causes, with its address, its device in words, and its id. */
export function eventOf (
  { id, ip, headers }: Asking, type: EventType, details: Pick<Event, 'actor' | 'reason'> = {}
): Event {
  return { type, ...details, ip, device: deviceInWords(deviceOf(headers['user-agent'])), requestId: id }
}
