import { Counter, Histogram, type Registry } from 'prom-client'
import {
  errorAnswered, loginBegun, loginResumed, sessionEnded, sessionStarted,
  type ErrorAnswered, type LoginBegun, type LoginResumed, type SessionEnded, type SessionStarted
} from '../channels.js'
import { END_REASONS } from '../end-reason.js'
import { LOGIN_S, PREFIX } from './names.js'
import { reasonOf } from './outcome.js'
import type { Subscriptions } from '../subscriptions.js'

/** Which route of a login a request was for. */
export type LoginStep = 'login' | 'callback'

/** Logins, and the sessions that they start. */
export class LoginMetrics {
  readonly #logins: Counter<'outcome' | 'reason'>
  readonly #duration: Histogram
  /** Requests that have signed in. */
  readonly #signedIn = new WeakSet()
  /** When the login of a callback began. */
  readonly #startedMs = new WeakMap<object, number>()
  /** The codes of errors that were answered. */
  readonly #codes = new WeakMap<object, string>()

  /** @param isOurs whether a message is of this server: its `scope` tells. */
  constructor (register: Registry, subscriptions: Subscriptions, isOurs: (scope: object) => boolean) {
    const registers = [register]
    const begun = new Counter({
      name: `${PREFIX}logins_started_total`, help: 'Logins that were sent to Cognito', registers
    })
    this.#logins = new Counter({
      name: `${PREFIX}logins_total`,
      help: 'Logins that ended here, by outcome (success, refused, failed, redirected) and the code of the error',
      labelNames: ['outcome', 'reason'],
      registers
    })
    this.#duration = new Histogram({
      name: `${PREFIX}login_duration_seconds`,
      help: 'From the redirect to Cognito to the answer of the callback that signed in',
      buckets: LOGIN_S,
      registers
    })
    const started = new Counter({
      name: `${PREFIX}sessions_started_total`,
      help: 'Sessions that were started, by kind of sign-in (sign_in, step_up)',
      labelNames: ['kind'],
      registers
    })
    const ended = new Counter({
      name: `${PREFIX}sessions_ended_total`,
      help: 'Sessions that have ended; those that expire without a request are not counted',
      labelNames: ['reason'],
      registers
    })
    // From 0 on: `rate` and `increase` do not see the first event of a new series.
    for (const kind of ['sign_in', 'step_up']) started.inc({ kind }, 0)
    for (const reason of END_REASONS) if (reason !== 'none') ended.inc({ reason }, 0)
    for (const outcome of ['success', 'redirected']) this.#logins.inc({ outcome, reason: 'none' }, 0)

    subscriptions.add(loginBegun.name, ({ scope }: LoginBegun) => { if (isOurs(scope)) begun.inc() })
    subscriptions.add(loginResumed.name, ({ request, startedMs }: LoginResumed) => {
      if (!Number.isNaN(startedMs)) this.#startedMs.set(request, startedMs)
    })
    subscriptions.add(errorAnswered.name, ({ request, code }: ErrorAnswered) => { this.#codes.set(request, code) })
    subscriptions.add(sessionStarted.name, ({ scope, request, isStepUp }: SessionStarted) => {
      if (!isOurs(scope)) return
      this.#signedIn.add(request)
      started.inc({ kind: isStepUp ? 'step_up' : 'sign_in' })
    })
    subscriptions.add(sessionEnded.name, ({ scope, reason }: SessionEnded) => {
      if (isOurs(scope)) ended.inc({ reason })
    })
  }

  /** A request of the login or the callback was answered. */
  answered (step: LoginStep, request: object, statusCode: number): void {
    const code = this.#codes.get(request)
    if (code !== undefined) {
      this.#logins.inc({ outcome: statusCode >= 500 ? 'failed' : 'refused', reason: reasonOf(code) })
    } else if (step === 'callback') {
      const isSuccess = this.#signedIn.has(request)
      this.#logins.inc({ outcome: isSuccess ? 'success' : 'redirected', reason: 'none' })
      const startedMs = this.#startedMs.get(request)
      if (isSuccess && startedMs !== undefined) this.#duration.observe(Math.max(0, Date.now() - startedMs) / 1000)
    }
  }
}
