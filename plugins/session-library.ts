import session from '@fastify/session'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { isEmpty } from '../src/empty-session.js'
import type { CookieData, PgSessionStore } from '../src/sessions/index.js'

type Options = Parameters<typeof session>[1]
type SessionStore = NonNullable<Options['store']>

/** What @fastify/session adds to an application. */
export interface LibraryHooks {
  onRequest: onRequestHookHandler
  decryptSession: FastifyInstance['decryptSession']
}

declare module 'fastify' {
  interface FastifyInstance {
    /** What @fastify/session does with these options and the session store, without what it decorates. */
    sessionLibrary (options: Omit<Options, 'store'>): LibraryHooks
  }
}

/** Decorates with `sessionLibrary`: an application's scope gets `request.session`, and nothing else of the library. */
export default fp(async (fastify) => {
  const store = adapter(fastify.sessionStore)
  fastify.decorate('sessionLibrary', (options) => hooksOf({ ...options, store }))
}, { name: 'session-library', fastify: '5.x', dependencies: ['session-store'] })

/** What the library would add to an instance. */
function hooksOf (options: Options): LibraryHooks {
  const found: Record<string, unknown> = {}
  const keep = (name: string, value: unknown): void => { found[name] = value }
  const recorder = { decorate: keep, addHook: keep, decorateRequest: () => {} } as unknown as FastifyInstance
  session(recorder, options, (error) => { if (error !== undefined) throw error })
  return found as unknown as LibraryHooks
}

/** What @fastify/session needs of the store, with this server's rules. */
function adapter (store: PgSessionStore): SessionStore {
  return {
    get (id, callback) {
      store.get(id, (error, found) => {
        if (found !== null && found !== undefined) {
          // The stored cookie would override the configuration: only its expiry, which is the row's, is kept.
          const { expires } = found.cookie as CookieData
          found.cookie = expires instanceof Date ? { expires } : {}
        }
        callback(error, found)
      })
    },
    // `regenerate()` writes the new session at once, also when it is empty.
    set (id, session, callback) {
      if (isEmpty(session)) callback()
      else store.set(id, session, callback)
    },
    destroy (id, callback) {
      store.destroy(id, callback)
    }
  }
}
