import { withDeadline } from '../deadline.js'
import { ERR_DATABASE } from '../errors.js'
import { latest } from '../latest.js'
import type { PgSessionStore } from '../sessions/index.js'
import { KeyVault } from './key-vault.js'
import { keptUntil, nextKeyFrom, publishedAt, signerAt } from './rotation.js'
import { newSigningKey, signingKey, type PublicJwk, type SigningKey } from './signing-key.js'
import { PATIENCE_MS, REFRESH_MS, RETRY_MS, SHORT_LEAD_MS, STALE_MS } from './times.js'

/** The name of the shared value that has the keys. */
export const KEYS_NAME = 'assertion-keys'

/** How often the row is read again because another instance has replaced it meanwhile. */
const MAX_ATTEMPTS = 10

export type KeyStore = Pick<PgSessionStore, 'sharedValue' | 'replaceSharedValue'>

/** What happened to the keys, for the log. */
export type KeyEvent =
  | { type: 'made', kid: string, from: Date }
  | { type: 'lost' }
  | { type: 'foreign' }

/** The keys as an instance knows them. */
interface View {
  /** The value of the row; null: there is none. */
  value: string | null
  keys: readonly SigningKey[]
  /** When it was read, on the process's monotonic clock and on the database's. */
  atMs: number
  nowMs: number
}

/** What a look at the row found. */
interface Found {
  keys: readonly SigningKey[]
  /** Whether the row has them as they are. */
  isSaved: boolean
  problem?: 'lost' | 'foreign'
}

type Change = (keys: readonly SigningKey[], nowMs: number) => Promise<readonly SigningKey[]>

/**
 * The keys of assertions, which all instances share in one encrypted row. Whichever instance needs one first makes it.
 *
 * An instance looks at the row when it is asked for a key and its view is older than a minute: no timer, and no
 * statement where nothing is signed. A row that is gone, as after `TRUNCATE`, or was altered, gets back the keys that
 * the instance knows. A row by another SESSION_SECRET is replaced only by an instance that knows no keys yet, so that
 * instances with different secrets do not take turns.
 */
export class SigningKeys {
  readonly #store: KeyStore
  readonly #vault: () => KeyVault
  readonly #tell: (event: KeyEvent) => void
  #view: View | undefined
  #looking: Promise<View> | undefined
  #failedAtMs = -Infinity
  #foreign: string | undefined

  /** @param secrets of SESSION_SECRET, or gives them: another array once they have changed. */
  constructor (
    store: KeyStore, secrets: readonly string[] | (() => readonly string[]), tell: (event: KeyEvent) => void = () => {}
  ) {
    this.#store = store
    this.#vault = latest(typeof secrets === 'function' ? secrets : () => secrets, (list) => new KeyVault(list))
    this.#tell = tell
  }

  /**
   * The key that signs. At once, unless this instance has not looked at the row for some minutes.
   *
   * @param nowMs on the database's clock.
   * @throws {ERR_DATABASE} if there has been no key so far.
   */
  signer (nowMs: number): SigningKey | Promise<SigningKey> {
    const view = this.#view
    const ageMs = view === undefined ? Infinity : performance.now() - view.atMs
    if (view === undefined || (ageMs > STALE_MS && !this.#hasJustFailed())) {
      return this.#look().then(({ keys }) => signerIn(keys, nowMs), (error: unknown) => {
        if (view === undefined) throw error
        return signerIn(view.keys, nowMs)
      })
    }
    if (ageMs > REFRESH_MS && !this.#hasJustFailed()) this.#look().catch(() => {})
    return signerIn(view.keys, nowMs)
  }

  /**
   * The keys that verify, those to come included. From memory while the database does not answer.
   *
   * @throws {ERR_DATABASE} if there has been no key so far.
   */
  async published (): Promise<PublicJwk[]> {
    let view = this.#view
    if (view === undefined) {
      view = await this.#look()
    } else if (performance.now() - view.atMs > REFRESH_MS && !this.#hasJustFailed()) {
      const known = view
      view = await withDeadline(PATIENCE_MS, this.#look(), late).catch(() => known)
    }
    const nowMs = view.nowMs + performance.now() - view.atMs
    return publishedAt(view.keys, nowMs).map(({ publicJwk }) => publicJwk)
  }

  /**
   * Makes a new key. It signs in 20 minutes, so that no verifier notices. One that waits for its turn already signs
   * then instead.
   *
   * @param options.atOnce it signs now, and the keys so far are gone: for a private key that has leaked. Verifiers
   *   refuse assertions until they have read the new key set, and accept the leaked key until then.
   * @returns from when it signs.
   * @throws {ERR_DATABASE}
   */
  async rotate ({ atOnce = false }: { atOnce?: boolean } = {}): Promise<Date> {
    const { keys } = await this.#update(async (known, nowMs) => {
      if (atOnce) return [await newSigningKey(nowMs)]
      const last = known.at(-1)
      const fromMs = nowMs + SHORT_LEAD_MS
      if (last === undefined || last.fromMs <= nowMs) return [...known, await newSigningKey(fromMs)]
      if (last.fromMs <= fromMs) return known
      return [...known.slice(0, -1), signingKey({ ...last.stored, fromMs })]
    })
    return new Date(keys.at(-1)?.fromMs ?? 0)
  }

  #hasJustFailed (): boolean {
    return performance.now() - this.#failedAtMs < RETRY_MS
  }

  /** Concurrent calls share one look. @throws {ERR_DATABASE} */
  #look (): Promise<View> {
    this.#looking ??= this.#update()
      .catch((error: unknown) => {
        this.#failedAtMs = performance.now()
        throw error
      })
      .finally(() => { this.#looking = undefined })
    return this.#looking
  }

  /** Reads the row, and writes it if `change`, or the time, asks for it. @throws {ERR_DATABASE} */
  async #update (change?: Change): Promise<View> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const { value, nowMs } = await this.#store.sharedValue(KEYS_NAME)
      const read = { atMs: performance.now(), nowMs }
      const found = this.#understand(value)
      if (found.problem === 'foreign' && this.#view !== undefined && change === undefined) {
        this.#tellForeign(value)
        return (this.#view = { ...this.#view, ...read })
      }
      const due = await inTime(found.keys, nowMs)
      const keys = await change?.(due, nowMs) ?? due
      if (found.isSaved && isSame(keys, found.keys)) return (this.#view = { ...read, value, keys })
      const to = this.#vault().seal(keys.map(({ stored }) => stored))
      const ttl = (keptUntil(keys) - nowMs) / 1000
      if (await this.#store.replaceSharedValue(KEYS_NAME, { from: value, to, ttl })) {
        this.#tellWritten(found, keys)
        return (this.#view = { ...read, value: to, keys })
      }
    }
    throw new ERR_DATABASE({ cause: new Error('the keys of assertions are replaced all the time') })
  }

  #understand (value: string | null): Found {
    const known = this.#view?.keys ?? []
    if (value === null) return { keys: known, isSaved: false, ...(known.length > 0 ? { problem: 'lost' } : {}) }
    // After a rotation of the secret, the row is written again with the new one.
    if (value === this.#view?.value) return { keys: known, isSaved: this.#vault().isCurrent(value) }
    const opened = this.#vault().open(value)
    if (opened.state === 'readable') return { keys: opened.keys.map(signingKey), isSaved: opened.isCurrent }
    return { keys: known, isSaved: false, problem: opened.state === 'foreign' ? 'foreign' : 'lost' }
  }

  #tellForeign (value: string | null): void {
    if (value !== this.#foreign) this.#tell({ type: 'foreign' })
    this.#foreign = value ?? undefined
  }

  #tellWritten ({ keys: found, problem }: Found, keys: readonly SigningKey[]): void {
    if (problem !== undefined) this.#tell({ type: problem })
    for (const { stored, publicJwk: { kid }, fromMs } of keys) {
      const isNew = !found.some((key) => key.stored.kid === stored.kid)
      if (isNew) this.#tell({ type: 'made', kid, from: new Date(fromMs) })
    }
  }
}

/** The keys without those whose time is over, and with the next one if that is due. */
async function inTime (keys: readonly SigningKey[], nowMs: number): Promise<readonly SigningKey[]> {
  const published = publishedAt(keys, nowMs)
  const fromMs = nextKeyFrom(published, nowMs)
  return fromMs === undefined ? published : [...published, await newSigningKey(fromMs)]
}

const isSame = (keys: readonly SigningKey[], others: readonly SigningKey[]): boolean =>
  keys.length === others.length && keys.every((key, index) => key === others[index])

function signerIn (keys: readonly SigningKey[], nowMs: number): SigningKey {
  const signer = signerAt(keys, nowMs)
  if (signer === undefined) throw new Error('no key of assertions')
  return signer
}

const late = () => new ERR_DATABASE({ cause: new Error(`no answer within ${PATIENCE_MS} ms`) })
