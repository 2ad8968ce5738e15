import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { orderOf, type Order } from '../../../src/cognito-events/order.js'
import { CloudTrailEvent } from '../../../src/cognito-events/schema.js'
import { bringsSecret } from '../../../src/cognito-events/secret.js'
import type { EndReason } from '../../../src/end-reason.js'
import { ERR_DATABASE, ERR_EVENTS_SECRET, ERR_VALIDATION } from '../../../src/errors.js'
import { CLOCK_TOLERANCE_S, type User } from '../../../src/login/id-token.js'
import { tokensOf } from '../../../src/login/session-tokens.js'
import { NO_STORE } from '../../../src/schemas/headers.js'
import { JSON_BODY_REFUSALS, refusals } from '../../../src/schemas/refusals.js'
import { BY_EVENTS_SECRET } from '../../../src/schemas/security.js'
import type { EndedSession } from '../../../src/sessions/index.js'

/** EventBridge's limit of an event. In bytes. */
const BODY_LIMIT = 256 * 1024

const Receive = {
  operationId: 'receiveCognitoEvent',
  summary: 'Ends sessions after a change in Cognito',
  description: 'For an API destination of Amazon EventBridge, with the events of CloudTrail. Only with ' +
    '`COGNITO_EVENTS_SECRET`. The sessions of a user who was disabled, deleted or signed out everywhere end, and ' +
    'those with a role of a group that the user has left. Sessions that began after the event stay.',
  tags: ['machines'],
  security: BY_EVENTS_SECRET,
  body: CloudTrailEvent,
  response: {
    204: {
      type: 'null',
      description: 'It was acted on, or concerns no user here.',
      headers: { 'cache-control': NO_STORE }
    },
    ...refusals(ERR_VALIDATION, ERR_EVENTS_SECRET, ERR_DATABASE, ...JSON_BODY_REFUSALS)
  }
} as const

interface Options {
  /** Those of the scope that signs in. */
  tokens: () => FastifyInstance['tokens']
}

/**
 * `POST /api/auth/cognito-events`: Cognito's kill switch, by way of CloudTrail and EventBridge. An event that is
 * delivered again, late or out of order, ends only sessions that had started by its time.
 *
 * @throws {ERR_EVENTS_SECRET} 401, before the body is read.
 * @throws {ERR_VALIDATION} 400
 * @throws {ERR_DATABASE} 503: EventBridge delivers the event again.
 */
const cognitoEvents: FastifyPluginAsyncTypebox<Options> = async (fastify, { tokens }) => {
  const { audit, config, hooks, sessionStore: store } = fastify

  fastify.post('/cognito-events', {
    schema: Receive,
    bodyLimit: BODY_LIMIT,
    config: audit === undefined ? {} : { refused: audit.refused },
    onRequest: async ({ headers }, reply) => {
      void reply.header('cache-control', 'no-store')
      if (!bringsSecret(headers, config.COGNITO_EVENTS_SECRET)) throw new ERR_EVENTS_SECRET()
    }
  }, async (request, reply) => {
    const { body } = request
    const order = orderOf(body, config)
    if (order !== undefined) {
      const ended = await carryOut(order, request)
      const { eventID: eventId } = body.detail
      request.log.info({ operation: order.operation, eventId, ended }, 'Cognito event')
    }
    return reply.code(204).send(null)
  })

  /** The number of sessions that it has ended. */
  async function carryOut ({ operation, atMs, user, roles, ip }: Order, request: FastifyRequest): Promise<number> {
    if (user === undefined) {
      request.log.warn({ operation }, 'A Cognito event does not say whose sessions end')
      return 0
    }
    const reason: EndReason & ('role_lost' | 'ended_elsewhere') = roles === undefined ? 'ended_elsewhere' : 'role_lost'
    const ended = await store.consumeStartedBefore(user, { ms: atMs, toleranceMs: CLOCK_TOLERANCE_S * 1000 }, {
      reason,
      roles,
      events: audit && [{ type: 'ended', actor: 'cognito', reason: operation, ip, requestId: request.id }]
    })
    for (const { session } of ended) hooks.ended(reason, session.user as User | undefined, request)
    // Cognito has revoked the tokens of the others itself.
    if (roles !== undefined) void tokens().revokeOf(request.log, ended.map(withTokens))
    return ended.length
  }
}

const withTokens = ({ id, session }: EndedSession) => ({ id, session: tokensOf(session) })

export default fp(cognitoEvents, {
  name: 'route:cognito-events',
  encapsulate: true,
  dependencies: ['audit', 'config', 'errors', 'hooks', 'session-store']
})
