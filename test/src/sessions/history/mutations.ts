/**
 * Stores that each break one rule, which the checker has to find.
 *
 * @module
 */
import type { Callback, PgSessionStore } from '../../../../src/sessions/store.js'
import type { CookieData, SessionData } from '../../../../src/sessions/types.js'

/** The calls that are mutated. */
export type Store = Pick<PgSessionStore, 'get' | 'set' | 'touch' | 'destroy' | 'isStored'>

export interface Revoking { destroyByUser (sub: string, options?: { except?: string }): Promise<number> }

const plain = ({ get, set, touch, destroy, isStored }: Store, store: PgSessionStore): Store => ({
  get: get.bind(store),
  set: set.bind(store),
  touch: touch.bind(store),
  destroy: destroy.bind(store),
  isStored: isStored.bind(store)
})

const mutant = (calls: (store: Store) => Partial<Store>) => (store: PgSessionStore): Store => {
  const original = plain(store, store)
  return { ...original, ...calls(original) }
}

/** The session as if it had not been read. Its expiry does not show either that it was copied. */
function withoutRow (session: object): SessionData {
  const { cookie: { originalMaxAge } = {}, ...content } = session as SessionData
  const expires = new Date(Date.now() + Number(originalMaxAge) + 7)
  return { ...content, cookie: { originalMaxAge, expires } as CookieData }
}

/** The session that was read last, by any caller. */
let last: unknown

export const mutations = {
  /** An upserting store. */
  'a set inserts': mutant(({ set }) => ({
    set (id, session, callback) { set(id, withoutRow(session), callback) }
  })),
  /** Writes all that was read, over what others have written since. */
  'a set does not merge': mutant(({ get, set, isStored }) => ({
    set (id, session, callback) {
      if (!isStored(session)) {
        set(id, session, callback)
        return
      }
      get(id, (error, current) => {
        if (error !== null || current === null || current === undefined) {
          callback?.(error)
          return
        }
        for (const key of Object.keys(current)) if (key.startsWith('k')) Reflect.deleteProperty(current, key)
        set(id, Object.assign(current, withoutRow(session)), callback)
      })
    }
  })),
  /** A deleted key keeps its stored value. */
  'a deletion is not written': mutant(({ get, set, isStored }) => ({
    set (id, session, callback) {
      if (!isStored(session)) {
        set(id, session, callback)
        return
      }
      get(id, (error, current) => {
        if (error !== null || current === null || current === undefined) {
          callback?.(error)
          return
        }
        set(id, Object.assign(current, withoutRow(session)), callback)
      })
    }
  })),
  'a destroy is acknowledged before it ran': mutant(({ destroy }) => ({
    destroy (id, callback) {
      callback?.(null)
      setTimeout(() => { destroy(id) }, 30)
    }
  })),
  'a write is acknowledged and dropped': mutant(({ set, isStored }) => ({
    set (id, session, callback) {
      if (isStored(session) && Math.random() < 0.02) callback?.(null)
      else set(id, session, callback)
    }
  })),
  'a session is served under another\'s id': mutant(({ get }) => ({
    get (id, callback) {
      get(id, (error, session) => {
        const given = Math.random() < 0.02 ? last ?? session : session
        last = session
        callback(error, given as never)
      })
    }
  })),
  'a session is not found': mutant(({ get }) => ({
    get (id, callback) {
      get(id, (error, session) => { callback(error, Math.random() < 0.01 ? null : session as never) })
    }
  })),
  'a call calls back twice': mutant(({ touch }) => ({
    touch (id, session, callback) {
      const twice: Callback = (error) => {
        callback?.(error)
        callback?.(error)
      }
      touch(id, session, twice)
    }
  })),
  'an error is not ERR_DATABASE': mutant(({ get }) => ({
    get (id, callback) {
      if (Math.random() < 0.01) callback(new Error('oops'))
      else get(id, callback)
    }
  }))
} satisfies Record<string, (store: PgSessionStore) => Store>

export type Mutation = keyof typeof mutations
