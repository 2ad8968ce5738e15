/**
 * The headers of Device Bound Session Credentials, as Chromium sends and reads them.
 *
 * @see {@link https://w3c.github.io/webappsec-dbsc/}
 * @module
 */
import { ALGORITHMS } from './binding.js'
import { hashOf } from './handles.js'

export const REGISTRATION_HEADER = 'secure-session-registration'
export const CHALLENGE_HEADER = 'secure-session-challenge'
export const PROOF_HEADER = 'secure-session-response'
export const IDENTIFIER_HEADER = 'sec-secure-session-id'
/** Says that the browser has a session here and could not renew its cookie. */
export const SKIPPED_HEADER = 'secure-session-skipped'

export interface Registration { path: string, challenge: string, ticket: string }

/** What makes a browser register its device. */
export const registration = ({ path, challenge, ticket }: Registration): string =>
  `(${ALGORITHMS.join(' ')});path="${path}";challenge="${challenge}";authorization="${ticket}"`

/** A challenge for the session of this identifier. */
export const challengeFor = (challenge: string, identifier: string): string => `"${challenge}";id="${identifier}"`

/** A header that was sent once; a browser may have put it in quotes. */
export function single (header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string') return undefined
  return /^"(.*)"$/.exec(header)?.[1] ?? header
}

/** Whether a browser says that it skipped the session whose identifier has this hash. */
export function isSkipped (header: string | string[] | undefined, id: string): boolean {
  const named = String(header ?? '').matchAll(/session_identifier="([^"]{1,1024})"/g)
  return [...named].slice(0, MAX_SKIPPED).some(([, identifier = '']) => hashOf(identifier) === id)
}

/** A browser has few sessions with one site. */
const MAX_SKIPPED = 8
