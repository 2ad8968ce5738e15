/** A minimal `GET /api/auth/me` on @fastify/session and connect-redis. @module */
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import Fastify from 'fastify'
import { ABSOLUTE_TTL_S, signed, TTL_S } from '../sample.js'
import { serve } from './serve.js'
import { secret } from './signer.js'
import { createStore } from './stores.js'

const { store } = await createStore('connect-redis', 'rolling')
const fastify = Fastify()
await fastify.register(cookie)
await fastify.register(session, {
  store: store as never,
  secret: secret(),
  saveUninitialized: false,
  rolling: true,
  cookie: { maxAge: TTL_S * 1000, sameSite: 'lax', secure: false }
})

fastify.get('/api/auth/me', async (request, reply) => {
  const { user, role, roles, cookie } = request.session
  const { createdAt } = request.session as { createdAt?: number }
  if (user === undefined || createdAt === undefined) return reply.code(401).send({ code: 'ERR_UNAUTHENTICATED' })
  return {
    user,
    role,
    roles,
    createdAt: iso(createdAt),
    expiresAt: iso(cookie.expires ?? 0),
    absoluteExpiresAt: iso(createdAt + ABSOLUTE_TTL_S * 1000)
  }
})

const iso = (time: number | Date): string => new Date(time).toISOString()

await fastify.listen({ port: 0, host: '127.0.0.1' })
const { port } = fastify.server.address() as AddressInfo
serve({ port, store, cookie: (id) => `sessionId=${encodeURIComponent(signed(id))}` })
