/**
 * What the server publishes on diagnostics channels, for its own metrics and traces. Those of the session store are in
 * `src/sessions/channels.ts`. Without a subscriber, a message is not even made.
 *
 * `scope` is the Fastify instance of the plugin that publishes: a process may have several servers.
 *
 * @module
 */
import { channel } from 'node:diagnostics_channel'
import type { EndReason } from './end-reason.js'

/** A session was written for a user who has signed in. */
export interface SessionStarted {
  scope: object
  request: object
  /** Whether it takes over the data of the user's present session. */
  isStepUp: boolean
}

/** A session has ended. */
export interface SessionEnded { scope: object, reason: Exclude<EndReason, 'none'> }

/** A login has begun: its row is written, and its cookie is about to be. A subscriber may set `traceparent`. */
export interface LoginBegun {
  scope: object
  request: object
  /** W3C trace context of the request, for the cookie. */
  traceparent?: string
}

/** A callback has found its login. */
export interface LoginResumed {
  scope: object
  request: object
  /** When the login began, by the clock of the instance that began it; NaN if the row does not say. */
  startedMs: number
}

/** A request was answered with an error. */
export interface ErrorAnswered { request: object, code: string }

/** Cognito has answered, or not. */
export interface ProviderCall {
  endpoint: 'token' | 'refresh' | 'revoke' | 'jwks'
  /** `performance.now()` when it began. */
  startMs: number
  durationMs: number
  /** One of this server's errors. */
  error: Error | undefined
}

export const sessionStarted = channel('cashsouk-auth:session:started')
export const sessionEnded = channel('cashsouk-auth:session:ended')
export const loginBegun = channel('cashsouk-auth:login:begun')
export const loginResumed = channel('cashsouk-auth:login:resumed')
export const errorAnswered = channel('cashsouk-auth:error:answered')
export const providerCall = channel('cashsouk-auth:provider:call')

/** Runs a call to Cognito, and reports it. */
export async function reportingProvider<Value> (
  endpoint: ProviderCall['endpoint'], run: () => Promise<Value>
): Promise<Value> {
  if (!providerCall.hasSubscribers) return run()
  const startMs = performance.now()
  let error: Error | undefined
  try {
    return await run()
  } catch (thrown) {
    error = thrown as Error
    throw thrown
  } finally {
    const durationMs = performance.now() - startMs
    providerCall.publish({ endpoint, startMs, durationMs, error } satisfies ProviderCall)
  }
}
