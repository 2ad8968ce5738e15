import type { FastifyError } from '@fastify/error'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_LOGIN_REFUSED } from '../errors.js'

/** What simple-oauth2 throws: a Boom error that holds the request, and so the client secret and the code. */
interface BoomError {
  message: string
  output?: { statusCode: number }
  data?: { isResponseError?: boolean, res?: { statusCode?: number }, payload?: unknown }
  code?: string
  isBoom?: boolean
}

/** The `error` code of RFC 6749 §5.2 that is about the code or refresh token, not about our request. */
const INVALID_GRANT = 'invalid_grant'

/** Whether the token or revocation endpoint refused our credentials (RFC 6749 §5.2). */
export function isInvalidClient (error: unknown): boolean {
  const { data } = error as BoomError
  return data?.isResponseError === true && oauthCode(data.payload) === 'invalid_client'
}

/**
 * The error of this server for a failed call to the token or revocation endpoint. Of the provider's response only
 * the status and the registered `error` code are kept: the rest may hold a secret, and is not trusted.
 */
export function providerError (error: unknown): FastifyError {
  const { message, data, output, code, isBoom } = error as BoomError
  const status = data?.res?.statusCode
  if (data?.isResponseError === true) return refusal(status, oauthCode(data.payload))
  const isTimeout = output?.statusCode === 504 || output?.statusCode === 408
  // A response that could not be parsed. The parser's message quotes it, so it is not repeated.
  if (!isTimeout && (status !== undefined || (isBoom !== true && code === undefined))) {
    return new ERR_COGNITO_ANSWER({ cause: new Error(`status ${status ?? 200}, not a token response`) })
  }
  // Codes of the HTTP parser: not HTTP, or a header that is too long.
  if (code?.startsWith('HPE_') === true) return new ERR_COGNITO_ANSWER({ cause: new Error(code) })
  // No response: refused, reset, no route, no such host.
  return new ERR_COGNITO_TIMEOUT({ cause: new Error(code === undefined ? message : `${code}: ${message}`) })
}

function refusal (status = 0, code: string | undefined): FastifyError {
  const cause = new Error(code === undefined ? `status ${status}` : `status ${status}, ${code}`)
  const isRefused = code === INVALID_GRANT && (status === 400 || status === 401)
  return isRefused ? new ERR_LOGIN_REFUSED({ cause }) : new ERR_COGNITO_ANSWER({ cause })
}

/** The `error` code of RFC 6749 §5.2. Anything that cannot be one is not repeated. */
function oauthCode (payload: unknown): string | undefined {
  const code = (payload as { error?: unknown } | null | undefined)?.error
  return typeof code === 'string' && /^[a-z_]{1,64}$/.test(code) ? code : undefined
}
