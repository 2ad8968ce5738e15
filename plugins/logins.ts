import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { loginBegun, loginResumed, type LoginBegun, type LoginResumed } from '../src/channels.js'
import {
  boundCookie, exactly, isCredential, loginCookies, signedOutCookie, unsolicitedCookie
} from '../src/cookies.js'
import { deriveKeys } from '../src/keys.js'
import { latest } from '../src/latest.js'
import { formatLoginCookie, newLoginId, parseLoginCookie, type LoginCookie } from '../src/login/login-cookie.js'
import { asLogin, validParts } from '../src/login/login-request.js'
import { attachProposal, proposalIn } from '../src/login/proposal.js'
import type { LoginRecovery } from '../src/login/recovery.js'
import {
  asTransaction, isState, newTransaction, stateKey, type LoginRequest, type LoginTransaction, type TransactionOptions
} from '../src/login/transaction.js'
import type { SessionData } from '../src/sessions/index.js'

export interface Logins {
  /**
   * Starts a login: one row, and one cookie that binds it to this browser.
   *
   * @throws {ERR_DATABASE}
   */
  begin (
    request: FastifyRequest, reply: FastifyReply, login: LoginRequest, options?: TransactionOptions
  ): Promise<LoginTransaction>
  /** The login of this `state` that this browser began, once: its row is removed. @throws {ERR_DATABASE} */
  consume (request: FastifyRequest, state: string): Promise<LoginTransaction | undefined>
  /** Clears the login's cookie after success. Until then a reload can restart the login from it. */
  forget (request: FastifyRequest, reply: FastifyReply, state: string): void
  /**
   * What the login of this `state` asked for, also when its row is gone: from the `state` itself if it has our
   * signature, or else from this browser's cookie. Checked as a new login is, because that is all it may become.
   */
  recall (request: FastifyRequest, state: string): LoginRequest | undefined
  /**
   * Whether a callback without `state` may start a login: not again within a minute, unless a login succeeds in
   * between, because a provider that loses the state would go round in circles.
   */
  admitUnsolicited (request: FastifyRequest, reply: FastifyReply): boolean
  /** Whether the browser sent any cookie of this server. */
  hasOwnCookies (request: FastifyRequest): boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The logins under way. */
    logins: Logins
  }
  interface FastifyRequest {
    /** What the request's error page offers; null: a new login. */
    loginRecovery: LoginRecovery | null
  }
}

/** Logins that one browser may have under way, in tabs for example; the oldest beyond that are dropped. */
const MAX_OPEN = 20
/** Logins that are dropped with one answer: proxies refuse answers whose headers are longer than 4 KiB. */
const MAX_DROPPED = 8
/** Bytes of a browser's login cookies up to which they keep return addresses: proxies refuse headers from 8 KiB on. */
const MAX_COOKIES_LENGTH = 4096

/** A login cookie that the browser sent, with the id that it holds; a forged one holds none. */
interface SentCookie { name: string, length: number, id: string | undefined }
interface OpenLogin extends SentCookie { id: string }

/**
 * Decorates with `logins`. Each login has a cookie of its own, so that no tab overwrites another's, and a
 * row of its own beside the sessions. The cookie holds the row's signed id, the row everything else.
 */
export default fp(async (fastify) => {
  const { config, sessionStore: store } = fastify
  const { namePrefix, attributes: own } = loginCookies(config)
  const attributes = exactly(own)
  const cookieName = (state: string) => namePrefix + stateKey(state)
  const unsolicited = unsolicitedCookie(config)
  /** Cookies that act for no user. They show that this browser keeps cookies. */
  const markers = [unsolicited.name, signedOutCookie(config).name, boundCookie(config).name]
  const proposalKeys = latest(() => config.SESSION_SECRET, (secrets) => deriveKeys(secrets, 'login proposal'))

  fastify.decorateRequest('loginRecovery', null)

  fastify.decorate('logins', {
    async begin (request, reply, login, options) {
      const begun = newTransaction(login, options)
      const [signingKey = Buffer.alloc(0)] = proposalKeys()
      const transaction = { ...begun, state: attachProposal(begun.state, login, signingKey, Date.now(), config.prefix) }
      const { open, forged } = sentCookies(request)
      const id = newLoginId()
      await store.put(id, { ...transaction }, config.LOGIN_TTL)

      const dropped = [...open.splice(MAX_OPEN - 1).reverse(), ...forged].slice(0, MAX_DROPPED)
      await drop(reply, dropped)

      const { requestedRole, returnTo } = login
      const message: LoginBegun = { scope: fastify, request }
      if (loginBegun.hasSubscribers) loginBegun.publish(message)
      const { traceparent } = message
      const signed = (kept: string) =>
        fastify.signCookie(formatLoginCookie({ id, requestedRole, returnTo: kept, traceparent }))
      const length = open.reduce((sum, { length }) => sum + length, signed(returnTo).length)
      const value = signed(length > MAX_COOKIES_LENGTH ? '/' : returnTo)
      void reply.setCookie(cookieName(transaction.state), value, attributes)
      return transaction
    },

    async consume (request, state) {
      const cookie = loginCookieOf(request.cookies[cookieName(state)])
      const session = cookie === undefined ? null : await store.consume(cookie.id)
      const transaction = session === null ? undefined : asTransaction(session)
      if (transaction === undefined || !isState(transaction, state)) return undefined
      if (loginResumed.hasSubscribers) {
        loginResumed.publish({ scope: fastify, request, startedMs: startOf(session) } satisfies LoginResumed)
      }
      return transaction
    },

    forget (request, reply, state) {
      void reply.clearCookie(cookieName(state), attributes)
      if (request.cookies[unsolicited.name] !== undefined) {
        void reply.clearCookie(unsolicited.name, exactly(unsolicited.attributes))
      }
    },

    recall (request, state) {
      const proposal = proposalIn(state, proposalKeys())
      if (proposal !== undefined) return asLogin(validParts(proposal, config))
      // Null for a request that failed before its cookies were read.
      const cookies = request.cookies as FastifyRequest['cookies'] | null
      const cookie = loginCookieOf(cookies?.[cookieName(state)])
      if (cookie === undefined) return undefined
      return asLogin(validParts({ role: cookie.requestedRole, returnTo: cookie.returnTo }, config))
    },

    admitUnsolicited (request, reply) {
      const { name, attributes: guard } = unsolicited
      const isFirst = request.cookies[name] === undefined
      if (isFirst) void reply.setCookie(name, '1', exactly(guard))
      else void reply.clearCookie(name, exactly(guard))
      return isFirst
    },

    hasOwnCookies: ({ cookies }) =>
      Object.keys(cookies).some((name) => markers.includes(name) || isCredential(name, config))
  })

  /** What a login's cookie holds, if its signature is valid. */
  function loginCookieOf (signed = ''): LoginCookie | undefined {
    const { valid, value } = fastify.unsignCookie(signed)
    return valid ? parseLoginCookie(value) : undefined
  }

  /** The logins that this browser has under way, the latest first, and its login cookies that are not valid. */
  function sentCookies ({ cookies }: FastifyRequest): { open: OpenLogin[], forged: SentCookie[] } {
    const sent = Object.entries(cookies)
      .filter(([name]) => isLoginCookieName(name))
      .map(([name, value = '']): SentCookie => {
        const length = name.length + encodeURIComponent(value).length
        return { name, length, id: loginCookieOf(value)?.id }
      })
    return {
      open: sent.filter(isOpen).sort((a, b) => a.id < b.id ? 1 : -1),
      forged: sent.filter((cookie) => !isOpen(cookie))
    }
  }

  /** A cookie of any other name cannot be cleared. */
  function isLoginCookieName (name: string): boolean {
    return name.startsWith(namePrefix) && /^[\w-]+$/.test(name.slice(namePrefix.length))
  }

  /** Clears the cookies and removes the rows. A row that cannot be removed now expires later. */
  async function drop (reply: FastifyReply, dropped: readonly SentCookie[]): Promise<void> {
    for (const { name } of dropped) void reply.clearCookie(name, attributes)
    await Promise.allSettled(dropped.filter(isOpen).map(({ id }) => store.promises.destroy(id)))
  }
}, { name: 'logins', fastify: '5.x', dependencies: ['config', 'cookies', 'session-store'] })

/** When a login's row was written, in milliseconds since 1970; NaN if it does not say. */
function startOf (session: SessionData | null): number {
  const { expires, originalMaxAge } = session?.cookie ?? {}
  return Date.parse(String(expires)) - Number(originalMaxAge ?? NaN)
}

const isOpen = (cookie: SentCookie): cookie is OpenLogin => cookie.id !== undefined
