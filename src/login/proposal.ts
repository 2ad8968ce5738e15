/**
 * What a login asked for, in its `state`: `STATE.PAYLOAD.MAC`, where the payload is JSON in base64url. It comes back
 * with the callback when the login's row and cookie are gone. It only proposes a new login, which is checked as any
 * other; who may finish the present one is decided by the cookie and the row.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { fitReturnTo } from './return-to.js'
import type { LoginRequest } from './transaction.js'

/** The longest `state`, in characters: Cognito hands it back in a URL. */
export const MAX_STATE_LENGTH = 1023
/** 128 bits in base64url. */
const MAC_LENGTH = 22
/** As long as the login's cookie at least. In seconds. */
const TTL_S = 86_400
/** Hints that take more bytes are dropped before the return address is shortened. */
const LONG_HINT_BYTES = 64

/**
 * Appends to `state` what the login asks for. What does not fit is left out: long hints first, then the query of the
 * return address, then the end of its path.
 */
export function attachProposal (
  state: string, login: LoginRequest, key: Buffer, nowMs = Date.now(), prefix?: string
): string {
  const maxBytes = Math.floor((MAX_STATE_LENGTH - state.length - MAC_LENGTH - 2) * 3 / 4)
  const text = fitting(login, Math.floor(nowMs / 1000) + TTL_S, maxBytes, prefix)
  if (text === undefined) return state
  const signed = `${state}.${Buffer.from(text).toString('base64url')}`
  return `${signed}.${mac(signed, key)}`
}

/**
 * What the login of this `state` asked for, with the names of its query; undefined if one of `keys` has not signed it,
 * or if it has expired.
 */
export function proposalIn (
  state: string, keys: readonly Buffer[], nowMs = Date.now()
): Record<string, unknown> | undefined {
  const end = state.lastIndexOf('.')
  const start = state.lastIndexOf('.', end - 1)
  if (start < 1 || end === start) return undefined
  const signed = state.slice(0, end)
  if (!keys.some((key) => isEqual(mac(signed, key), state.slice(end + 1)))) return undefined
  const [expiresAt, role, returnTo, others] = JSON.parse(
    Buffer.from(state.slice(start + 1, end), 'base64url').toString()
  ) as [number, string, string, Record<string, unknown>?]
  return nowMs / 1000 > expiresAt ? undefined : { ...others, role, returnTo }
}

function fitting (login: LoginRequest, expiresAt: number, maxBytes: number, prefix?: string): string | undefined {
  const hints = { ...login.hints }
  const fits = (text: string): boolean => Buffer.byteLength(text) <= maxBytes
  const format = (returnTo: string): string => {
    const others = { ...hints, ...(login.maxAge === undefined ? {} : { max_age: login.maxAge }) }
    const parts = [expiresAt, login.requestedRole, returnTo]
    return JSON.stringify(Object.keys(others).length === 0 ? parts : [...parts, others])
  }
  for (const name of longHints(hints)) {
    if (fits(format(login.returnTo))) break
    delete hints[name]
  }
  const room = maxBytes - Buffer.byteLength(format(''))
  const text = format(fitReturnTo(login.returnTo, room, prefix))
  return fits(text) ? text : undefined
}

/** The longest first. */
function longHints (hints: NonNullable<LoginRequest['hints']>): (keyof typeof hints)[] {
  return Object.entries(hints)
    .map(([name, value]) => ({ name: name as keyof typeof hints, bytes: Buffer.byteLength(JSON.stringify(value)) }))
    .filter(({ bytes }) => bytes > LONG_HINT_BYTES)
    .sort((one, other) => other.bytes - one.bytes)
    .map(({ name }) => name)
}

const mac = (text: string, key: Buffer): string =>
  createHmac('sha256', key).update(text).digest('base64url').slice(0, MAC_LENGTH)

/** Compares texts, not bytes: other texts decode to the same bytes. */
function isEqual (expected: string, given: string): boolean {
  const [ours, theirs] = [Buffer.from(expected), Buffer.from(given)]
  return ours.length === theirs.length && timingSafeEqual(ours, theirs)
}
