import { NO_STORE } from './headers.js'

/** The answer to a probe. */
export const okResponse = {
  type: 'object',
  required: ['status'],
  properties: { status: { type: 'string', enum: ['ok'] } },
  description: 'Yes.',
  headers: { 'cache-control': NO_STORE },
  examples: [{ status: 'ok' }]
} as const
