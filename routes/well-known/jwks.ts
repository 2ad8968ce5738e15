import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { KEY_SET_MAX_AGE_S } from '../../src/assertion/times.js'
import { ERR_DATABASE } from '../../src/errors.js'
import { refusals } from '../../src/schemas/refusals.js'
import { FOR_ANYONE } from '../../src/schemas/security.js'

const text = { type: 'string' } as const

const schema = {
  operationId: 'getAssertionKeys',
  tags: ['proxy'],
  security: FOR_ANYONE,
  summary: 'The keys of x-auth-assertion',
  description: 'A JSON Web Key Set (RFC 7517 §5). Each key is in it a day before it signs, and an hour afterwards.',
  response: {
    ...refusals(ERR_DATABASE),
    200: {
      type: 'object',
      description: 'The public keys, in the order in which they sign. Caches may keep them for five minutes',
      required: ['keys'],
      properties: {
        keys: {
          type: 'array',
          items: {
            type: 'object',
            required: ['kty', 'crv', 'x', 'y', 'kid', 'use', 'alg'],
            properties: {
              kty: text,
              crv: text,
              x: text,
              y: text,
              kid: { type: 'string', description: 'The thumbprint of the key (RFC 7638)' },
              use: text,
              alg: text
            }
          }
        }
      },
      headers: { 'cache-control': { type: 'string', description: '`public, max-age=300`' } },
      examples: [{
        keys: [{
          kty: 'EC',
          crv: 'P-256',
          x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
          y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
          kid: 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U',
          use: 'sig',
          alg: 'ES256'
        }]
      }]
    }
  }
} as const

/**
 * `GET /.well-known/jwks.json`: the keys that verify `x-auth-assertion`, in the order in which they sign. Answered
 * from memory while the database is away.
 *
 * @throws {ERR_DATABASE} 503 if this instance has had no keys so far
 */
const jwks: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/.well-known/jwks.json', { schema }, async (_request, reply) => {
    const keys = await fastify.assertions.published()
    void reply.header('cache-control', `public, max-age=${KEY_SET_MAX_AGE_S}`)
    return { keys }
  })
}

export default fp(jwks, { name: 'route:jwks', encapsulate: true, dependencies: ['assertions', 'errors', 'headers'] })
