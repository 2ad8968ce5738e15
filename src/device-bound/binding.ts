/**
 * What a session keeps of its device, under one key.
 *
 * @module
 */
import type { JWK } from 'jose'
import type { SessionClient } from '../session-client.js'

/** Chromium offers these two (Device Bound Session Credentials, "Session Registration"). */
export const ALGORITHMS = ['ES256', 'RS256'] as const
export type Algorithm = typeof ALGORITHMS[number]

/** A session whose browser may still register its device. */
export interface Offer {
  /** The hash of the ticket. */
  ticket: string
}

/** A session that is bound to a device. Times are milliseconds since 1970 on the database's clock. */
export interface Bound {
  /** The hash of the session identifier that the browser got. */
  id: string
  alg: Algorithm
  /** The device's public key. */
  key: JWK
  /** When the latest challenge that was signed had been given. No earlier one is good any more. */
  spent: number
  /** The last request that had the session cookie without its device. */
  stray?: Stray
}

export interface Stray extends SessionClient { at: number }

export type Binding = Offer | Bound

/** The key of a session that has its {@link Binding}. */
export const BINDING_KEY = 'deviceBinding'

/** The binding in a session as a row holds it. */
export function bindingOf (session: object): Binding | undefined {
  const value: unknown = Reflect.get(session, BINDING_KEY)
  return typeof value === 'object' && value !== null ? value as Binding : undefined
}

/** Anything with a key counts, so that no damaged row lets a request in. */
export const isBound = (binding: Binding | undefined): binding is Bound => binding !== undefined && 'key' in binding
