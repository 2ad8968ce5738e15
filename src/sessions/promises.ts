import { promisify } from 'node:util'
import type { Callback } from './callback.js'
import type { AnySession, LoadedSession, SessionData } from './types.js'

interface CallbackStore {
  get (id: string, callback: Callback<LoadedSession | null>): void
  set (id: string, session: SessionData | AnySession, callback?: Callback): void
  touch (id: string, session: SessionData | AnySession, callback?: Callback): void
  destroy (id: string, callback?: Callback): void
  all (callback: Callback<LoadedSession[]>): void
  length (callback: Callback<number>): void
  clear (callback?: Callback): void
}

/**
 * The methods of a store that take a callback, as promises. Each rejects with the error that the
 * callback would get. They need no `this`.
 */
export interface StorePromises {
  readonly get: (id: string) => Promise<LoadedSession | null>
  readonly set: (id: string, session: SessionData | AnySession) => Promise<void>
  readonly touch: (id: string, session: SessionData | AnySession) => Promise<void>
  readonly destroy: (id: string) => Promise<void>
  readonly all: () => Promise<LoadedSession[]>
  readonly length: () => Promise<number>
  readonly clear: () => Promise<void>
}

/** @param get gives plain objects, which no session library needs to recognise. */
export function storePromises (store: CallbackStore, get: CallbackStore['get']): StorePromises {
  return {
    get: promisify(get) as StorePromises['get'],
    set: promisify(store.set.bind(store)),
    touch: promisify(store.touch.bind(store)),
    destroy: promisify(store.destroy.bind(store)),
    all: promisify(store.all.bind(store)) as StorePromises['all'],
    length: promisify(store.length.bind(store)) as StorePromises['length'],
    clear: promisify(store.clear.bind(store))
  }
}
