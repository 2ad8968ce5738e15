import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { CookieSerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { loginCookiePrefix } from '../src/cookie-names.js'
import { deriveKeys } from '../src/keys.js'
import { asTransaction, isState, newTransaction, type LoginRequest, type LoginTransaction } from '../src/login/transaction.js'
import { PgSessionStore } from '../src/sessions/store.js'

declare module 'fastify' {
  interface FastifyInstance {
    logins: {
      /** Starts a login: one row, and one cookie that binds it to this browser. @throws {ERR_DATABASE} */
      begin (request: FastifyRequest, reply: FastifyReply, login: LoginRequest): Promise<LoginTransaction>
      /** The login of this `state` that this browser began, once: its row and its cookie are gone. @throws {ERR_DATABASE} */
      take (request: FastifyRequest, reply: FastifyReply, state: string): Promise<LoginTransaction | undefined>
    }
  }
}

/** Logins that one browser may have under way, say in tabs; the oldest beyond that are dropped. */
const MAX_OPEN = 20

/**
 * Decorates with `logins`. Each login has a cookie of its own, so that no tab overwrites another's, and a
 * row of its own beside the sessions; the cookie holds the row's signed id, the row everything else.
 *
 * These cookies have no `Domain`: only the host of PUBLIC_URL, which gets the callback, sees them.
 */
export default fp(async (fastify) => {
  const { config, log } = fastify
  // The sessions' table, without their absolute lifetime: LOGIN_TTL alone decides. They are pruned there.
  const store = new PgSessionStore({
    pool: fastify.pg.pool,
    ttl: config.LOGIN_TTL,
    preparedStatements: config.DATABASE_PREPARED_STATEMENTS,
    hashIds: config.SESSION_HASH_IDS ? deriveKeys(config.SESSION_SECRET, 'session id') : false,
    pruneSessionInterval: false,
    errorLog: (message) => { log.warn(message) }
  })
  const prefix = loginCookiePrefix(config)
  const attributes: CookieSerializeOptions = {
    httpOnly: true,
    sameSite: 'lax',
    secure: config.PUBLIC_URL.startsWith('https:'),
    // Browsers take a __Host- cookie with the path / only.
    path: /^__host-/i.test(prefix) ? '/' : '/api/auth',
    maxAge: config.LOGIN_TTL
  }
  const save = promisify(store.set.bind(store))
  const cookieName = (state: string) => prefix + state.slice(0, 10)

  const dropOldest = (request: FastifyRequest, reply: FastifyReply) => {
    // Their values begin with the second in which they were made.
    const open = Object.entries(request.cookies).filter(([name]) => name.startsWith(prefix))
      .sort(([, a = ''], [, b = '']) => a < b ? 1 : -1)
    for (const [name] of open.slice(MAX_OPEN - 1)) void reply.clearCookie(name, attributes)
  }

  fastify.decorate('logins', {
    async begin (request, reply, login) {
      const transaction = newTransaction(login)
      const id = `${Math.floor(Date.now() / 1000).toString(36)}-${randomBytes(24).toString('base64url')}`
      const expires = new Date(Date.now() + config.LOGIN_TTL * 1000)
      await save(id, { cookie: { expires, originalMaxAge: config.LOGIN_TTL * 1000 }, ...transaction })
      dropOldest(request, reply)
      void reply.setCookie(cookieName(transaction.state), fastify.signCookie(id), attributes)
      return transaction
    },

    async take (request, reply, state) {
      const name = cookieName(state)
      const cookie = request.cookies[name]
      if (cookie === undefined) return undefined
      const { valid, value: id } = fastify.unsignCookie(cookie)
      if (!valid) return undefined
      const session = await store.take(id)
      void reply.clearCookie(name, attributes)
      const transaction = session === null ? undefined : asTransaction(session)
      return transaction !== undefined && isState(transaction, state) ? transaction : undefined
    }
  })
}, { name: 'logins', fastify: '5.x', dependencies: ['config', 'cookies', 'postgres'] })
