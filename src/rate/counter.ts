import type { SharedCount } from './shared-counts.js'

/** So many of a key's limit an instance counts for itself before it asks for the count of the others. */
const OWN_PART = 1 / 10
/** After that it asks again when it has counted this part of what is left. */
const NEXT_PART = 1 / 4

/** The window of a key. Times are on the process's monotonic clock, in milliseconds. */
interface Window {
  endMs: number
  /** Counted here. */
  own: number
  /** How many of these the others know of. */
  told: number
  /** Counted by the others, as far as is known here. */
  others: number
  asking: Promise<void> | undefined
}

export interface Count {
  /** How many there were in this window, in all instances as far as is known here. */
  current: number
  /** How long the window still is, in milliseconds. */
  ttl: number
}

/** Adds to the count in all instances; undefined if it cannot be had. */
export type Share = (key: string, count: number) => Promise<SharedCount | undefined>

/**
 * Counts by key in windows, behind a local filter: a key that is far below its limit costs no statement, and one that
 * is beyond it costs none either.
 */
export class Counter {
  readonly #windows = new Map<string, Window>()
  readonly #share: Share
  readonly #maxKeys: number

  /** @param maxKeys how many keys are counted at once. The key that has been there longest goes first. */
  constructor (share: Share, maxKeys: number) {
    this.#share = share
    this.#maxKeys = maxKeys
  }

  /** Counts one. @param limit from which on the count need not be exact. */
  async count (key: string, { limit, windowMs }: { limit: number, windowMs: number }): Promise<Count> {
    const window = this.#window(key, windowMs)
    const own = ++window.own
    const isKnown = () => own + window.others > limit || window.own - window.told < due(window, limit)
    // Twice at most: what was counted while another request asked may be due, too.
    for (let i = 0; i < 2 && !isKnown(); i++) await (window.asking ??= this.#ask(key, window))
    return { current: own + window.others, ttl: Math.max(0, Math.round(window.endMs - performance.now())) }
  }

  #window (key: string, windowMs: number): Window {
    const nowMs = performance.now()
    const known = this.#windows.get(key)
    if (known !== undefined && known.endMs > nowMs) return known
    const window = { endMs: nowMs + windowMs, own: 0, told: 0, others: 0, asking: undefined }
    this.#windows.delete(key)
    this.#windows.set(key, window)
    const [oldest] = this.#windows.keys()
    if (this.#windows.size > this.#maxKeys && oldest !== undefined) this.#windows.delete(oldest)
    return window
  }

  async #ask (key: string, window: Window): Promise<void> {
    const { own } = window
    const shared = await this.#share(key, own - window.told)
    window.asking = undefined
    // Without an answer the next request asks again.
    if (shared === undefined) return
    window.told = own
    window.others = Math.max(0, shared.total - own)
    window.endMs = performance.now() + shared.leftMs
  }
}

/** How many more may be counted here before the others are asked. */
function due ({ told, others }: Window, limit: number): number {
  const part = told === 0 ? limit * OWN_PART : (limit - told - others) * NEXT_PART
  return Math.max(1, Math.floor(part)) + (told === 0 ? 1 : 0)
}
