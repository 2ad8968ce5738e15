import { promisify } from 'node:util'
import type { CookieSerializeOptions } from '@fastify/cookie'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { loginCookiePrefix } from '../src/cookie-names.js'
import { deriveKeys } from '../src/keys.js'
import { safeReturnTo } from '../src/login/return-to.js'
import { newLoginId, readTicket, writeTicket, type LoginTicket } from '../src/login/ticket.js'
import { asTransaction, isState, newTransaction, stateKey, type LoginRequest, type LoginTransaction } from '../src/login/transaction.js'
import { PgSessionStore } from '../src/sessions/store.js'

declare module 'fastify' {
  interface FastifyInstance {
    logins: {
      /**
       * Starts a login: one row, and one cookie that binds it to this browser.
       *
       * @param options.again whether it takes the place of a lost one.
       * @throws {ERR_DATABASE}
       */
      begin (request: FastifyRequest, reply: FastifyReply, login: LoginRequest, options?: { again?: boolean }): Promise<LoginTransaction>
      /** The login of this `state` that this browser began, once: its row is gone. @throws {ERR_DATABASE} */
      consume (request: FastifyRequest, state: string): Promise<LoginTransaction | undefined>
      /** Removes the cookie of a login that has ended well. Before, it is what a reload starts the login again from. */
      forget (reply: FastifyReply, state: string): void
      /** What the login of this `state` asked for, where this browser began it: known for a day, whatever became of the login. */
      recall (request: FastifyRequest, state: string): LoginRequest | undefined
      /** Whether the browser sent any cookie of ours. */
      keepsCookies (request: FastifyRequest): boolean
    }
  }
}

/** Logins that one browser may have under way, say in tabs; the oldest beyond that are dropped. */
const MAX_OPEN = 20
/** So many are dropped with one answer: proxies refuse answers whose headers are longer than 4 KiB. */
const MAX_DROPPED = 8
/** A browser's login cookies keep return addresses up to this length together, in bytes: proxies refuse headers from 8 KiB on. */
const MAX_COOKIES_LENGTH = 4096
/** How long a browser is known to have begun a login, in seconds, be the login long over. */
const DAY = 86_400

/**
 * Decorates with `logins`. Each login has a cookie of its own, so that no tab overwrites another's, and a
 * row of its own beside the sessions; the cookie holds the row's signed id, the row everything else.
 *
 * These cookies have no `Domain`: only the host of PUBLIC_URL, which gets the callback, sees them. Over https their
 * name says so (`__Host-`, RFC 6265bis §4.1.3.2): else a sibling subdomain could plant a login of its own, and so
 * have people sign in as somebody else.
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
  const secure = config.PUBLIC_URL.startsWith('https:')
  const prefix = loginCookiePrefix(config)
  const attributes: CookieSerializeOptions = {
    httpOnly: true,
    sameSite: 'lax',
    secure,
    // Browsers take a __Host- cookie with the path / only.
    path: secure ? '/' : '/api/auth',
    maxAge: Math.max(config.LOGIN_TTL, DAY)
  }
  const save = promisify(store.set.bind(store))
  const destroy = promisify(store.destroy.bind(store))
  const cookieName = (state: string) => prefix + stateKey(state)

  const ticketIn = (cookie: string | undefined): LoginTicket | undefined => {
    const { valid, value } = fastify.unsignCookie(cookie ?? '')
    return valid ? readTicket(value) : undefined
  }

  /** The logins that this browser has under way, the latest first, and of its login cookies those that are not ours. */
  const openLogins = ({ cookies }: FastifyRequest) => {
    // A name that no server could have set cannot be cleared either.
    const found = Object.entries(cookies).filter(([name]) => name.startsWith(prefix) && /^[\w-]+$/.test(name.slice(prefix.length)))
      .map(([name, value = '']) => ({ name, length: name.length + encodeURIComponent(value).length, id: ticketIn(value)?.id }))
    return {
      open: found.filter((login): login is typeof login & { id: string } => login.id !== undefined).sort((a, b) => a.id < b.id ? 1 : -1),
      forged: found.filter(({ id }) => id === undefined)
    }
  }

  fastify.decorate('logins', {
    async begin (request, reply, login, options) {
      const transaction = newTransaction(login, options)
      const { open, forged } = openLogins(request)
      const id = newLoginId()
      const expires = new Date(Date.now() + config.LOGIN_TTL * 1000)
      await save(id, { cookie: { expires, originalMaxAge: config.LOGIN_TTL * 1000 }, ...transaction })

      const dropped = [...open.splice(MAX_OPEN - 1).reverse(), ...forged].slice(0, MAX_DROPPED)
      for (const { name } of dropped) void reply.clearCookie(name, attributes)
      // Their rows would end by themselves: that one stays is no reason to refuse this login.
      await Promise.allSettled(dropped.map(async (old) => old.id === undefined ? undefined : destroy(old.id)))

      const { requestedRole, returnTo } = login
      const signed = (kept: string) => fastify.signCookie(writeTicket({ id, requestedRole, returnTo: kept }))
      const length = open.reduce((sum, { length }) => sum + length, signed(returnTo).length)
      void reply.setCookie(cookieName(transaction.state), signed(length > MAX_COOKIES_LENGTH ? '/' : returnTo), attributes)
      return transaction
    },

    async consume (request, state) {
      const ticket = ticketIn(request.cookies[cookieName(state)])
      const session = ticket === undefined ? null : await store.consume(ticket.id)
      const transaction = session === null ? undefined : asTransaction(session)
      return transaction !== undefined && isState(transaction, state) ? transaction : undefined
    },

    forget (reply, state) {
      void reply.clearCookie(cookieName(state), attributes)
    },

    recall (request, state) {
      const ticket = ticketIn(request.cookies[cookieName(state)])
      if (ticket === undefined || !config.ROLES.includes(ticket.requestedRole)) return undefined
      return { requestedRole: ticket.requestedRole, returnTo: safeReturnTo(ticket.returnTo, config.PUBLIC_URL, config.RETURN_ORIGINS) ?? '/' }
    },

    keepsCookies: ({ cookies }) => Object.keys(cookies).some((name) => name === config.COOKIE_NAME || name.startsWith(prefix))
  })
}, { name: 'logins', fastify: '5.x', dependencies: ['config', 'cookies', 'postgres'] })
