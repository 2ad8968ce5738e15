import Fastify from 'fastify'
import { test, type Test } from 'tap'
import serializer from '../../plugins/serializer.js'
import { ERR_DATABASE, ERR_UNAUTHENTICATED } from '../../src/errors.js'
import { refusals } from '../../src/schemas/refusals.js'
import { sessionResponse } from '../../src/schemas/session.js'

const session = {
  user: { 'custom:level': 3, 'sub': '1', 'email': 'a@example.com', 'emailVerified': false, 'custom:vip': true },
  role: 'ADMIN',
  roles: ['INVESTOR', 'ADMIN'],
  authTime: '2026-01-31T08:59:58.000Z',
  createdAt: '2026-01-31T09:00:00.000Z',
  expiresAt: '2026-01-31T09:15:00.000Z',
  absoluteExpiresAt: '2026-01-31T21:00:00.000Z',
  expiresInSeconds: 0,
  absoluteExpiresInSeconds: 43_190,
  serverTime: '2026-01-31T09:00:10.000Z'
}
const { authTime: _authTime, ...withoutAuthTime } = session
const refused = {
  statusCode: 401, code: 'ERR_UNAUTHENTICATED', message: 'Sign in first', reason: 'idle', requestId: 'r'
}
const { reason: _reason, ...withoutReason } = refused

/** What is sent for a value with this status, with the response schemas of `me` and without any. */
async function answers (t: Test, status: number, value: object): Promise<{ described: string, plain: string }> {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(serializer)
  const schema = { response: { 200: sessionResponse, ...refusals(ERR_UNAUTHENTICATED, ERR_DATABASE) } }
  fastify.get('/described', { schema }, async (_request, reply) => reply.code(status as 200).send(value as never))
  fastify.get('/plain', async (_request, reply) => reply.code(status).send(value))
  const [described, plain] = [await fastify.inject('/described'), await fastify.inject('/plain')]
  t.same([described.statusCode, described.headers['content-type']], [status, plain.headers['content-type']])
  return { described: described.body, plain: plain.body }
}

for (const [name, status, value] of [
  ['a session', 200, session],
  ['a session without authTime', 200, withoutAuthTime],
  ['a session without a role', 200, { ...session, role: undefined, roles: undefined }],
  ['a user whose claims are no text', 200, { ...session, user: { email: 5, sub: '1', name: null, username: false } }],
  ['a user whose claims need escapes', 200, { ...session, user: { 'sub': '"\\\n\u2028\ud800é', 'a"b': '</script>' } }],
  ['roles that need escapes', 200, { ...session, role: '"\ud800', roles: ['\\', 'é\u0000'] }],
  ['no roles', 200, { ...session, roles: [] }],
  ['a refusal', 401, refused],
  ['a refusal without a reason', 401, withoutReason],
  ['a refusal with a code that its schema does not list', 503, { ...withoutReason, statusCode: 503 }],
  ['a refusal with a status that has no schema', 418, { ...withoutReason, statusCode: 418 }]
] as const) {
  test(`A response schema does not change what is sent: ${name}`, async (t) => {
    const { described, plain } = await answers(t, status, value)

    t.equal(described, plain)
  })
}
