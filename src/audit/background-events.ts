import type { LooseEvent } from '../sessions/index.js'

export interface Bounds {
  /** Events of a minute that get a row of their own. */
  perWindow: number
  /** Those of them that one address may have. */
  perAddress: number
  windowMs: number
  /** How long an event waits for others, to be written together. */
  flushMs: number
}

/** At most some 60 rows a minute and instance: with the counts, as many again. */
const BOUNDS: Bounds = { perWindow: 30, perAddress: 5, windowMs: 60_000, flushMs: 250 }

/** Separates the parts of a key. No address has it. */
const SEPARATOR = '\n'

/** Records events that change no session in the background, and counts those of a flood. */
export class BackgroundEvents {
  readonly #record: (events: readonly LooseEvent[]) => Promise<unknown>
  readonly #onLost: (count: number, error: unknown) => void
  readonly #bounds: Bounds
  #queue: LooseEvent[] = []
  #flushing: Promise<void> | undefined
  #flushTimer: NodeJS.Timeout | undefined
  #windowTimer: NodeJS.Timeout | undefined
  /** How many events of this minute have a row of their own, by address. */
  #addresses = new Map<string, number>()
  /** The others, by address, type and reason. */
  #more = new Map<string, number>()

  /** @param onLost called when events could not be written. */
  constructor (
    record: (events: readonly LooseEvent[]) => Promise<unknown>,
    onLost: (count: number, error: unknown) => void,
    bounds: Partial<Bounds> = {}
  ) {
    this.#record = record
    this.#onLost = onLost
    this.#bounds = { ...BOUNDS, ...bounds }
  }

  /** At once: nothing waits for the database. */
  add (event: LooseEvent): void {
    const { perWindow, perAddress, windowMs, flushMs } = this.#bounds
    this.#startWindow(windowMs)
    const { ip = '' } = event
    const ofAddress = this.#addresses.get(ip) ?? 0
    const recorded = [...this.#addresses.values()].reduce((sum, count) => sum + count, 0)
    if (recorded >= perWindow || ofAddress >= perAddress) {
      this.#count(ofAddress === 0 ? '' : ip, event)
      return
    }
    this.#addresses.set(ip, ofAddress + 1)
    this.#queue.push(event)
    this.#flushTimer ??= setTimeout(() => { void this.flush() }, flushMs).unref()
  }

  /** One row a minute tells how many there were. */
  count (event: LooseEvent): void {
    this.#startWindow(this.#bounds.windowMs)
    this.#count('', event)
  }

  #startWindow (windowMs: number): void {
    this.#windowTimer ??= setTimeout(() => { this.#closeWindow() }, windowMs).unref()
  }

  /** An address is named as long as there is room for it. */
  #count (ip: string, { type, reason = '' }: LooseEvent): void {
    const keyOf = (address: string): string => [address, type, reason].join(SEPARATOR)
    const isFull = this.#more.size >= this.#bounds.perWindow && !this.#more.has(keyOf(ip))
    const key = keyOf(isFull ? '' : ip)
    this.#more.set(key, (this.#more.get(key) ?? 0) + 1)
  }

  #closeWindow (): void {
    clearTimeout(this.#windowTimer)
    this.#windowTimer = undefined
    for (const [key, count] of this.#more) {
      const [ip = '', type = '', reason = ''] = key.split(SEPARATOR)
      this.#queue.push({ type, reason, count, ...(ip === '' ? {} : { ip }) })
    }
    this.#addresses = new Map()
    this.#more = new Map()
    void this.flush()
  }

  /** Writes what waits. Never fails. */
  async flush (): Promise<void> {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    await this.#flushing
    this.#flushing ??= this.#write().finally(() => { this.#flushing = undefined })
    await this.#flushing
  }

  async #write (): Promise<void> {
    const events = this.#queue
    this.#queue = []
    if (events.length === 0) return
    try {
      await this.#record(events)
    } catch (error) {
      this.#onLost(events.reduce((sum, { count = 1 }) => sum + count, 0), error)
    }
  }

  /** Writes what waits, and the counts. */
  async close (): Promise<void> {
    this.#closeWindow()
    await this.flush()
  }
}
