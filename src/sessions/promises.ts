import { promisify } from 'node:util'
import type { Callback } from './express-store.js'
import type { AnySession, LoadedSession, SessionData } from './serialise.js'

interface CallbackStore {
  get (id: string, callback: Callback<LoadedSession | null>): void
  set (id: string, session: SessionData | AnySession, callback?: Callback): void
  touch (id: string, session: SessionData | AnySession, callback?: Callback): void
  destroy (id: string, callback?: Callback): void
  all (callback: Callback<LoadedSession[]>): void
  length (callback: Callback<number>): void
  clear (callback?: Callback): void
}

/** The methods of a store that take a callback, as promises. Each rejects with what the callback would get. */
export interface StorePromises {
  get (id: string): Promise<LoadedSession | null>
  set (id: string, session: SessionData | AnySession): Promise<void>
  touch (id: string, session: SessionData | AnySession): Promise<void>
  destroy (id: string): Promise<void>
  all (): Promise<LoadedSession[]>
  length (): Promise<number>
  clear (): Promise<void>
}

export function storePromises (store: CallbackStore): StorePromises {
  return {
    get: promisify(store.get.bind(store)) as StorePromises['get'],
    set: promisify(store.set.bind(store)),
    touch: promisify(store.touch.bind(store)),
    destroy: promisify(store.destroy.bind(store)),
    all: promisify(store.all.bind(store)) as StorePromises['all'],
    length: promisify(store.length.bind(store)) as StorePromises['length'],
    clear: promisify(store.clear.bind(store))
  }
}
