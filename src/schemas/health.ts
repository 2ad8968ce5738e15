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

/** The answer to a probe of readiness, with what is wrong all the same. */
export const readyResponse = {
  ...okResponse,
  properties: {
    ...okResponse.properties,
    writes: {
      type: 'string',
      description: 'The SQLSTATE with which the database refuses to write, such as 53100 for a full disk. Absent ' +
        'otherwise.'
    },
    clockSkewSeconds: {
      type: 'integer',
      description: 'How far the clock of this instance is ahead of the database\'s; negative: behind. Absent below ' +
        '30 s.'
    }
  }
} as const
