import type { LoadedRow } from './loaded.js'
import type { Settings } from './options.js'
import { serialise } from './serialise.js'
import type { SessionData } from './types.js'
import type { UserKey } from './user-key.js'

/** By how many bytes a row that is longer than `maxBytes` already may grow in one change. */
const MAX_GROWTH_BYTES = 1024

export interface Row {
  session: SessionData
  /** As `contentOf` gives it. */
  content?: string
  /** When the session was created; null: not to be stored. */
  createdMs: number | null
  /** The row that is changed. */
  loaded?: Pick<LoadedRow, 'sess'>
  /** The expiry of the row, if it stays as it is. */
  expireMs?: number | undefined
}

/** Writes the column `sess`, by the store's options. */
export class SessFormat {
  readonly #userKey: UserKey
  readonly #maxBytes: number

  constructor ({ userKey, maxBytes }: Pick<Settings, 'userKey' | 'maxBytes'>) {
    this.#userKey = userKey
    this.#maxBytes = maxBytes
  }

  /** @throws {ERR_SESSION_VALUE} */
  of ({ session, content, createdMs, loaded, expireMs }: Row): string {
    return serialise(session, {
      content,
      expireMs,
      own: { user: this.#userOf(session), created: createdMs ?? undefined },
      maxBytes: this.#maxBytesOf(loaded)
    })
  }

  /** The user, where SQL cannot read it from the session. */
  #userOf (session: SessionData): string | undefined {
    if (typeof this.#userKey !== 'function') return undefined
    const user = this.#userKey(session)
    return user === undefined || user === null || user === '' ? undefined : String(user)
  }

  #maxBytesOf (loaded: Row['loaded']): number {
    if (loaded === undefined || loaded.sess.length * 3 <= this.#maxBytes) return this.#maxBytes
    const bytes = Buffer.byteLength(loaded.sess)
    return bytes > this.#maxBytes ? bytes + MAX_GROWTH_BYTES : this.#maxBytes
  }
}
