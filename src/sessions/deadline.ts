/** The longest delay of a timer, in milliseconds. A longer one would fire at once. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * The outcome of `work`, or `late()` as an error once `limitMs` milliseconds have passed. The timer
 * does not keep the process alive.
 *
 * @param work a promise; or a function that is given a promise which rejects at the deadline. Such
 *   a function races its own waits with it, so that it can clean up before it fails.
 */
export async function withDeadline<Value> (
  limitMs: number,
  work: Promise<Value> | ((deadline: Promise<never>) => Promise<Value>),
  late: () => Error
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(late()) }, Math.min(limitMs, MAX_DELAY_MS)).unref()
  })
  // Without a listener, a deadline that passes between two waits would end the process.
  deadline.catch(() => {})
  try {
    return await (typeof work === 'function' ? work(deadline) : Promise.race([work, deadline]))
  } finally {
    clearTimeout(timer)
  }
}
