import type { Test } from 'tap'
import type { KeyStore } from '../../src/assertion/signing-keys.js'

/** A shared value in memory, with a clock that the test moves. */
export interface FakeKeyStore extends KeyStore {
  value: string | null
  expiresMs: number
  /** Calls of either method. */
  calls: number
  /** Every call fails with it. */
  failure: Error | undefined
  /** Moves the database's clock and the monotonic clock of this process. */
  pass (ms: number): void
  readonly nowMs: number
}

const START_MS = Date.UTC(2026, 0, 1)

/** @param t the monotonic clock stands still until it ends, unless the test moves it. */
export function fakeKeyStore (t: Test): FakeKeyStore {
  const began = performance.now()
  let passedMs = 0
  // `t.intercept` keeps a stack of every call, which takes a hundred times as long.
  Object.defineProperty(performance, 'now', { configurable: true, value: () => began + passedMs })
  t.teardown(() => { Reflect.deleteProperty(performance, 'now') })
  const store: FakeKeyStore = {
    value: null,
    expiresMs: 0,
    calls: 0,
    failure: undefined,
    get nowMs () { return START_MS + passedMs },
    pass (ms) { passedMs += ms },
    async sharedValue () {
      store.calls++
      if (store.failure !== undefined) throw store.failure
      return { value: store.expiresMs > store.nowMs ? store.value : null, nowMs: store.nowMs }
    },
    async replaceSharedValue (_name, { from, to, ttl }) {
      store.calls++
      if (store.failure !== undefined) throw store.failure
      const current = store.expiresMs > store.nowMs ? store.value : null
      if (current !== from) return false
      store.value = to
      store.expiresMs = store.nowMs + ttl * 1000
      return true
    }
  }
  return store
}
