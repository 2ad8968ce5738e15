import { STATUS_CODES } from 'node:http'
import { END_REASONS } from '../end-reason.js'
import { ERR_INTERNAL } from '../errors.js'
import { CHALLENGE, RETRY_AFTER } from './headers.js'
import { PAGE } from './page.js'

/** An error that a route answers with. */
interface Refusal { code: string, statusCode: number, message: string }

type RefusalClass = new (...values: never[]) => Refusal

/** What the `%s` of a message may be. */
const VALUES: Record<string, string> = {
  ERR_VALIDATION: 'querystring/returnTo must NOT have more than 2048 characters',
  ERR_ROLE_UNKNOWN: 'INVESTOR, ISSUER, ADMIN',
  ERR_ROLE_NOT_GRANTED: 'ADMIN',
  ERR_RATE_LIMIT: '42',
  ERR_RECENT_SIGN_IN: '300',
  ERR_LOGIN_DENIED: 'Your account is not set up yet. Please call us.'
}

/** Headers of the answers with these errors. */
const HEADERS: Record<string, object> = {
  ERR_OVERLOADED: { 'retry-after': RETRY_AFTER },
  ERR_RATE_LIMIT: { 'retry-after': RETRY_AFTER },
  ERR_RECENT_SIGN_IN: { 'www-authenticate': CHALLENGE }
}

/** What Fastify answers to a body that is too long or of a malformed type, on a route that reads one. */
export const BODY_REFUSALS: readonly Refusal[] = [
  { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413, message: 'Request body is too large' },
  { code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415, message: 'Unsupported Media Type' }
]

/** The same on a route that takes a body as JSON, although it needs none. */
export const JSON_BODY_REFUSALS: readonly Refusal[] = [
  {
    code: 'FST_ERR_CTP_EMPTY_JSON_BODY',
    statusCode: 400,
    message: 'Body cannot be empty when content-type is set to \'application/json\''
  },
  {
    code: 'FST_ERR_CTP_INVALID_JSON_BODY',
    statusCode: 400,
    message: 'Body is not valid JSON but content-type is set to \'application/json\''
  },
  ...BODY_REFUSALS
]

/**
 * The response schemas of a route's errors, by status: each code that the route can raise, with an example. Any route
 * can raise ERR_INTERNAL, so it need not be named.
 *
 * @param errors classes of `src/errors.ts`, or Fastify's own errors.
 */
export const refusals = (...errors: readonly (RefusalClass | Refusal)[]) => byStatus(errors, {})

/** The same for a route whose errors are pages where `Accept` has `text/html` (`config.page`). */
export const pageRefusals = (...errors: readonly (RefusalClass | Refusal)[]) => byStatus(errors, PAGE)

function byStatus (errors: readonly (RefusalClass | Refusal)[], pages: object) {
  const known = [...errors, ERR_INTERNAL].map(describe)
  const statuses = [...new Set(known.map(({ statusCode }) => statusCode))].sort((one, other) => one - other)
  return Object.fromEntries(statuses.map((status): [number, ReturnType<typeof answer>] => {
    const told = known.filter(({ statusCode }) => statusCode === status)
    return [status, answer(status, told, pages)]
  }))
}

function answer (status: number, errors: readonly Refusal[], pages: object) {
  const codes = errors.map(({ code }) => code)
  const headers = Object.assign({}, ...codes.map((code) => HEADERS[code])) as object
  return {
    description: `${STATUS_CODES[status] ?? 'Error'}: ${codes.join(', ')}`,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    content: {
      'application/json': {
        schema: bodySchema(status, codes),
        examples: Object.fromEntries(errors.map((error) => [error.code, { value: example(error) }]))
      },
      ...pages
    }
  }
}

/** The properties are in the order in which they are sent. */
const bodySchema = (status: number, codes: readonly string[]) => ({
  type: 'object',
  required: ['statusCode', 'code', 'message', 'requestId'],
  properties: {
    statusCode: { type: 'integer', enum: [status] },
    code: { type: 'string', enum: codes },
    message: { type: 'string', description: 'For people; it may change.' },
    ...(codes.includes('ERR_UNAUTHENTICATED') ? { reason: REASON } : {}),
    requestId: { type: 'string', description: 'Names the request in the log of the server.' }
  }
})

const REASON = { type: 'string', enum: END_REASONS, description: 'Why there is no session.' }

function describe (error: RefusalClass | Refusal): Refusal {
  if (typeof error !== 'function') return error
  const build = error as new (...values: string[]) => Refusal
  const value = VALUES[new build().code]
  return value === undefined ? new build() : new build(value)
}

function example ({ code, statusCode, message }: Refusal) {
  return {
    statusCode,
    code,
    // The message of a 5xx stays in the log.
    message: statusCode >= 500 ? STATUS_CODES[statusCode] ?? 'Error' : message,
    ...(code === 'ERR_UNAUTHENTICATED' ? { reason: 'idle' } : {}),
    requestId: '0b54e7a1-8d5f-4c92-a8a9-9a6f2f0d7a3e'
  }
}
