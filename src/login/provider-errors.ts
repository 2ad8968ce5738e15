import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_LOGIN_REFUSED } from '../errors.js'

/** What simple-oauth2 throws: a Boom error that carries the request, so the client secret and the code. */
interface BoomError {
  message: string
  output?: { statusCode: number }
  data?: { isResponseError?: boolean, res?: { statusCode?: number }, payload?: unknown }
  code?: string
  isBoom?: boolean
}

/** `error` codes of RFC 6749 §5.2 that speak of the code, not of us. */
const REFUSALS = ['invalid_grant']

/**
 * The error that a failed call to the token or revocation endpoint is for us. Only the status and the
 * registered `error` code are kept: the rest may hold a secret, and is not ours to trust.
 */
export function providerError (error: unknown): InstanceType<typeof ERR_COGNITO_ANSWER> {
  const { message, data, output, code, isBoom } = error as BoomError
  const status = data?.res?.statusCode
  if (data?.isResponseError === true) {
    const refused = oauthCode(data.payload)
    const cause = new Error(`status ${status ?? 0}${refused === undefined ? '' : `, ${refused}`}`)
    return refused !== undefined && REFUSALS.includes(refused) && (status === 400 || status === 401)
      ? new ERR_LOGIN_REFUSED({ cause })
      : new ERR_COGNITO_ANSWER({ cause })
  }
  const timedOut = output?.statusCode === 504 || output?.statusCode === 408
  // An answer was read and makes no sense. The parser's message quotes it, so it is not repeated.
  if (!timedOut && (status !== undefined || (isBoom !== true && code === undefined))) {
    return new ERR_COGNITO_ANSWER({ cause: new Error(`status ${status ?? 200}, and a body that is no token response`) })
  }
  // Node.js' parser gave up: no HTTP, or too long a header.
  if (code?.startsWith('HPE_') === true) return new ERR_COGNITO_ANSWER({ cause: new Error(code) })
  // Without a response there was no answer: refused, reset, no route, no such host.
  return new ERR_COGNITO_TIMEOUT({ cause: new Error(code === undefined ? message : `${code}: ${message}`) })
}

/** RFC 6749 §5.2: `error` is of printable ASCII; anything longer or other is not repeated. */
function oauthCode (payload: unknown): string | undefined {
  const code = (payload as { error?: unknown } | null | undefined)?.error
  return typeof code === 'string' && /^[a-z_]{1,64}$/.test(code) ? code : undefined
}
