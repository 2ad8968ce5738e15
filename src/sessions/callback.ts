import type { Done } from './batch.js'

/** A Node.js callback. `error` is null on success. */
export type Callback<Value = void> = (error?: unknown, value?: Value) => void

/** Calls back once. An error thrown by the callback must not affect other callers of the batch. */
export function callBack<Value> (
  callback: Callback<Value> | undefined, error: unknown, value?: Value
): void {
  try {
    callback?.(error, value)
  } catch (thrown) {
    process.nextTick(() => { throw thrown })
  }
}

/** Calls back once with the outcome of `promise`, outside of it. */
export function callBackWith<Value> (promise: Promise<Value>, callback?: Callback<Value>): void {
  promise.then(
    (value) => { callBack(callback, null, value) },
    (error: unknown) => { callBack(callback, error) }
  )
}

/** The outcome of a call that calls back. */
export const outcomeOf = <Out>(call: (done: Done<Out>) => void): Promise<Out> =>
  new Promise((resolve, reject) => {
    call((error, out) => {
      if (error === null) resolve(out as Out)
      else reject(error)
    })
  })

/** Calls `use` with the outcome before `done`. */
export const onSuccess = <Out> (done: Done<void>, use: (out: Out) => void): Done<Out> => (error, out) => {
  if (error !== null) {
    done(error)
    return
  }
  try {
    use(out as Out)
  } catch (thrown) { // by a session object that cannot be written to
    done(thrown as Error)
    return
  }
  done(null)
}
