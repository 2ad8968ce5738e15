import { randomBytes } from 'node:crypto'
import { fitReturnTo } from './return-to.js'
import type { LoginRequest } from './transaction.js'

/**
 * What the cookie of a login holds, as its signed value: the id of the login's row, and the role and the
 * return address that the login asked for, so that it can be started again when the row is gone.
 */
export interface LoginCookie extends Pick<LoginRequest, 'requestedRole' | 'returnTo'> {
  id: string
  /** The trace of the request that began the login (W3C Trace Context), if it is recorded. */
  traceparent?: string | undefined
}

/** Longer return addresses are shortened, in characters. */
const MAX_RETURN_TO = 256

/** The seconds since 1970, then 128 random bits: ids sort by age. */
const ID = /^[0-9a-z]{6,8}-[\w-]{22}$/

export function newLoginId (): string {
  return `${Math.floor(Date.now() / 1000).toString(36)}-${randomBytes(16).toString('base64url')}`
}

/** Version 00 of `traceparent`. */
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** `ID.BASE64URL(role, space, return address)`, and before the end a space and the trace, if there is one. */
export function formatLoginCookie ({ id, requestedRole, returnTo, traceparent }: LoginCookie): string {
  const asked = [requestedRole, fitReturnTo(returnTo, MAX_RETURN_TO), ...traceparent === undefined ? [] : [traceparent]]
  return `${id}.${Buffer.from(asked.join(' ')).toString('base64url')}`
}

/** @param value of a valid signature. Undefined when it is not a login's: a session's id is signed, too. */
export function parseLoginCookie (value: string): LoginCookie | undefined {
  const [id = '', asked = '', ...more] = value.split('.')
  if (!ID.test(id) || more.length > 0) return undefined
  const [requestedRole = '', returnTo = '', traceparent = ''] = Buffer.from(asked, 'base64url').toString().split(' ')
  return { id, requestedRole, returnTo, ...(TRACEPARENT.test(traceparent) ? { traceparent } : {}) }
}
