/** Fastify with @fastify/session. @see {@link https://github.com/fastify/session#options} @module */
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import Fastify from 'fastify'
import { answer, bodyOf, signed, TTL_S, type Workload } from '../sample.js'
import { requiredEnv, serve, type SessionStore } from './serve.js'
import { secret } from './signer.js'
import { createStore, type StoreName } from './stores.js'

const workload = requiredEnv('WORKLOAD') as Workload
const name = requiredEnv('STORE') as StoreName
const { store: built, filler, prune } = await createStore(name, workload)
const store = name === 'memory' ? new session.MemoryStore() as unknown as SessionStore : built

const fastify = Fastify()
if (store !== undefined) {
  await fastify.register(cookie)
  await fastify.register(session, {
    store: store as never,
    secret: secret(),
    saveUninitialized: false,
    rolling: workload === 'rolling',
    cookie: { maxAge: TTL_S * 1000, sameSite: 'lax', secure: false }
  })
  fastify.get('/', async (request, reply) => {
    const found = answer(workload, request.session)
    if (found === undefined) void reply.code(401)
    return found ?? {}
  })
} else {
  fastify.get('/', async () => bodyOf(0))
}

await fastify.listen({ port: 0, host: '127.0.0.1' })
const { port } = fastify.server.address() as AddressInfo
serve({ port, store, filler, prune, cookie: (id) => `sessionId=${encodeURIComponent(signed(id))}` })
