import { cookieValues } from '../cookie-header.js'
import { BOUND_COOKIE_AGE_S, boundCookie, type CookieAttributes } from '../cookies.js'
import { MAX_DATE_MS } from '../dates.js'
import { deviceRegisterPath } from '../login/paths.js'
import type { AmendedTimes, PgSessionStore, SessionData } from '../sessions/index.js'
import type { Config } from '../variables.js'
import { BINDING_KEY, bindingOf, isBound, type Bound, type Offer, type Stray } from './binding.js'
import { Handles, hashOf } from './handles.js'
import { challengeFor, registration } from './headers.js'
import { instructions, type Instructions } from './instructions.js'
import { Macs } from './macs.js'
import { claimsOf, isSignedBy, registeredKey, type DeviceKey } from './proof.js'
import { latest } from '../latest.js'
import { requiredRoles } from './required-roles.js'
import { Stamps } from './stamps.js'

/** How long after a sign-in its browser may register its device, in seconds. */
export const REGISTRATION_S = 30
/** How long a challenge is good, in milliseconds. */
const CHALLENGE_MS = 60_000
/** A browser may send a cookie that is still valid there when it is over here, by the way of the request. */
const COOKIE_TOLERANCE_MS = 5000
/** How often a session keeps that it was used without its device, in milliseconds. */
const STRAY_INTERVAL_MS = 600_000

/** What a session says of its device. */
export interface DeviceState {
  /** The hash of its identifier; undefined while it is not bound. */
  id: string | undefined
  /** Whether it counts only once it is bound: `DEVICE_BOUND_SESSIONS=required:ROLE,…`. */
  isRequired: boolean
  /** When it was last used without its device, in milliseconds since 1970; 0: never. */
  strayAt: number
}

/**
 * Whether a request may have its session.
 *
 * - `free`: no device is needed;
 * - `bound`: the request is from a browser that has shown its device;
 * - `missing`: the session is bound, and the request has no valid cookie that says so;
 * - `unbound`: a role of the session needs a device, and the session is not bound (yet).
 */
export type Standing = 'free' | 'bound' | 'missing' | 'unbound'

export interface SetCookie { name: string, value: string, attributes: CookieAttributes }

/** A session, as the row has it, and its id. */
export interface Identified { sessionId: string, session: SessionData }

export interface Registered extends Identified { instructions: Instructions, cookie: SetCookie, challenge: string }

/**
 * The answer to a refresh. `isRefused`: a proof was sent that does not hold; not set for a challenge that is too old.
 */
export type Refresh =
  | { outcome: 'ended' }
  | Identified & { outcome: 'challenged', challenge: string, isRefused: boolean }
  | Identified & { outcome: 'refreshed', challenge: string, cookie: SetCookie }

/**
 * Sessions that are bound to the device of their browser (Device Bound Session Credentials).
 *
 * All state is in the session's row and in signed texts, and all times are the database's: a challenge of one instance
 * is good at any other. Methods that return a promise fail with ERR_DATABASE.
 *
 * @see {@link https://w3c.github.io/webappsec-dbsc/}
 */
export class DeviceBoundSessions {
  readonly #config: Config
  readonly #store: PgSessionStore
  /** Made again when SESSION_SECRET changes. */
  readonly #keyed: () => { handles: Handles, cookies: Stamps, challenges: Stamps, registrations: Macs }
  readonly #required: readonly string[]
  readonly #cookie: { name: string, attributes: CookieAttributes }

  constructor (config: Config, store: PgSessionStore) {
    this.#config = config
    this.#store = store
    this.#keyed = latest(() => config.SESSION_SECRET, (secrets) => ({
      handles: new Handles(secrets),
      cookies: new Stamps(secrets, 'device cookie'),
      challenges: new Stamps(secrets, 'device challenge'),
      registrations: new Macs(secrets, 'device challenge')
    }))
    this.#required = requiredRoles(config.DEVICE_BOUND_SESSIONS)
    this.#cookie = boundCookie(config)
  }

  /** The name and attributes of the cookie that shows a device. */
  get cookie (): { name: string, attributes: CookieAttributes } {
    return this.#cookie
  }

  /**
   * A one-time ticket for a new session.
   *
   * @returns what the session keeps of it, and the header that offers a registration to its browser.
   */
  offer (sessionId: string): { content: { [BINDING_KEY]: Offer }, header: string } {
    const ticket = this.#keyed().handles.make(sessionId, 'ticket')
    const challenge = this.#keyed().registrations.of(registrationOf(ticket))
    const path = deviceRegisterPath(this.#config.prefix)
    return {
      content: { [BINDING_KEY]: { ticket: hashOf(ticket) } },
      header: registration({ path, challenge, ticket })
    }
  }

  /**
   * Shows the device while its browser registers it: requests that are under way then have the session, too.
   *
   * @param nowMs in milliseconds since 1970 on the database's clock, as everywhere here.
   */
  provisionalCookie (sessionId: string, nowMs: number): SetCookie {
    return this.#cookieOf(sessionId, nowMs, REGISTRATION_S)
  }

  /** What `session`, as its row holds it, says of its device. */
  stateOf (session: SessionData): DeviceState {
    const binding = bindingOf(session)
    const { roles } = session
    return {
      id: isBound(binding) ? String(binding.id) : undefined,
      isRequired: this.#required.length > 0 && Array.isArray(roles) &&
        this.#required.some((role) => roles.includes(role)),
      strayAt: isBound(binding) ? strayAt(binding) : 0
    }
  }

  /** @param cookies the request's `Cookie`. */
  standing (state: DeviceState, sessionId: string, cookies: string | undefined, nowMs: number): Standing {
    if (state.id === undefined) return state.isRequired ? 'unbound' : 'free'
    return this.#hasCookie(sessionId, cookies, nowMs) ? 'bound' : 'missing'
  }

  /**
   * Binds a session to the device that made `proof`. The same statement spends the ticket of the proof.
   *
   * @returns undefined if anything of it does not hold.
   */
  async register (proof: string): Promise<Registered | undefined> {
    const { jti, authorization: ticket = '' } = claimsOf(proof) ?? { jti: '', authorization: undefined }
    const sessionId = this.#keyed().handles.sessionId(ticket, 'ticket')
    if (sessionId === undefined || !this.#keyed().registrations.isOf(jti, registrationOf(ticket))) return undefined
    const key = await registeredKey(proof)
    if (key === undefined) return undefined
    const identifier = this.#keyed().handles.make(sessionId, 'identifier')
    let registered: Registered | undefined
    const isLive = await this.#store.amend(sessionId, (session, times) => {
      registered = undefined
      if (!isOffered(session, ticket, times)) return null
      const { databaseNow: nowMs } = times
      const bound = newlyBound(identifier, key)
      registered = {
        instructions: instructions(this.#config, identifier),
        cookie: this.#cookieOf(sessionId, nowMs),
        challenge: this.#challenge(bound, identifier, nowMs),
        sessionId,
        session
      }
      return { ...session, [BINDING_KEY]: bound }
    })
    return isLive ? registered : undefined
  }

  /**
   * Renews the cookie of a bound session.
   *
   * @param identifier of the session, as the browser has it.
   * @param proof undefined where the browser knows no challenge.
   */
  async refresh (identifier: string, proof: string | undefined): Promise<Refresh> {
    const sessionId = this.#keyed().handles.sessionId(identifier, 'identifier')
    if (sessionId === undefined) return { outcome: 'ended' }
    const id = hashOf(identifier)
    const claims = proof === undefined ? undefined : claimsOf(proof)
    let answer: Refresh = { outcome: 'ended' }
    const isLive = await this.#store.amend(sessionId, async (session, { databaseNow: nowMs }) => {
      const binding = bindingOf(session)
      if (!isBound(binding) || binding.id !== id) {
        answer = { outcome: 'ended' }
        return null
      }
      const givenAt = claims === undefined ? undefined : this.#keyed().challenges.timeOf(claims.jti, binding.id)
      const isTooOld = givenAt !== undefined && nowMs - givenAt > CHALLENGE_MS
      const isGood = givenAt !== undefined && !isTooOld && givenAt > binding.spent &&
        await isSignedBy(binding, proof ?? '')
      if (!isGood) {
        const challenge = this.#challenge(binding, identifier, nowMs)
        answer = { outcome: 'challenged', challenge, isRefused: proof !== undefined && !isTooOld, sessionId, session }
        return null
      }
      const spent: Bound = { ...binding, spent: givenAt }
      answer = {
        outcome: 'refreshed',
        challenge: this.#challenge(spent, identifier, nowMs),
        cookie: this.#cookieOf(sessionId, nowMs),
        sessionId,
        session
      }
      return { ...session, [BINDING_KEY]: spent }
    })
    return isLive ? answer : { outcome: 'ended' }
  }

  /** Keeps in a bound session that it was used without its device, for its user to see. */
  async keepStray (sessionId: string, client: Omit<Stray, 'at'>): Promise<void> {
    await this.#store.amend(sessionId, (session, { databaseNow }) => {
      const binding = bindingOf(session)
      if (!isBound(binding) || !isStrayDue(strayAt(binding), databaseNow)) return null
      return { ...session, [BINDING_KEY]: { ...binding, stray: { ...client, at: Math.floor(databaseNow) } } }
    })
  }

  #hasCookie (sessionId: string, cookies: string | undefined, nowMs: number): boolean {
    return cookieValues(cookies ?? '', this.#cookie.name).some((value) => {
      const endsAt = this.#keyed().cookies.timeOf(value, sessionId)
      return endsAt !== undefined && nowMs <= endsAt + COOKIE_TOLERANCE_MS
    })
  }

  #cookieOf (sessionId: string, nowMs: number, maxAge = BOUND_COOKIE_AGE_S): SetCookie {
    const { name, attributes } = this.#cookie
    const value = this.#keyed().cookies.of(sessionId, nowMs + maxAge * 1000)
    return { name, value, attributes: { ...attributes, maxAge } }
  }

  /** Later than the challenge that was spent last: no two of one session have the same time. */
  #challenge ({ id, spent }: Bound, identifier: string, nowMs: number): string {
    return challengeFor(this.#keyed().challenges.of(id, Math.max(nowMs, spent + 1)), identifier)
  }
}

/** The row may have been changed by hand. */
function strayAt ({ stray }: Bound): number {
  const at: unknown = stray?.at
  return typeof at === 'number' && at >= 0 && at <= MAX_DATE_MS ? at : 0
}

/** Whether a session's latest stray use was long enough ago to keep another one. */
export const isStrayDue = (strayAt: number, nowMs: number): boolean => nowMs - strayAt >= STRAY_INTERVAL_MS

const registrationOf = (ticket: string): string => `registration ${ticket}`

function isOffered (session: SessionData, ticket: string, { databaseNow, createdAt }: AmendedTimes): boolean {
  const binding = bindingOf(session)
  if (binding === undefined || isBound(binding) || binding.ticket !== hashOf(ticket)) return false
  return createdAt !== undefined && databaseNow - createdAt <= REGISTRATION_S * 1000
}

const newlyBound = (identifier: string, { alg, key }: DeviceKey): Bound =>
  ({ id: hashOf(identifier), alg, key, spent: 0 })
