import { TokenVault } from '../login/token-vault.js'
import type { StoredKey } from './signing-key.js'

/** What the ciphertext is bound to: it is worthless in any other place. */
const BOUND_TO = 'assertion keys'

/** What any secret encrypts looks like. */
const SEALED = /^[\w-]{8}\.[\w-]+$/

/** How the value of the row was understood. `foreign`: it was encrypted with a secret that is not known. */
export type Opened = { state: 'readable', isCurrent: boolean, keys: StoredKey[] } | { state: 'altered' | 'foreign' }

/**
 * Encrypts the private keys with a key derived from SESSION_SECRET. The public part is in the
 * ciphertext, too: write access to the table must not be enough to publish a key.
 */
export class KeyVault {
  readonly #vault: TokenVault

  /** @param secrets one at least: the first encrypts, all decrypt. */
  constructor (secrets: readonly string[]) {
    this.#vault = new TokenVault(secrets, 'signing key encryption')
  }

  seal (keys: readonly StoredKey[]): string {
    return this.#vault.encrypt(JSON.stringify(keys), BOUND_TO)
  }

  /** Whether the first secret encrypted it. */
  isCurrent (value: string): boolean {
    return this.#vault.isCurrent(value)
  }

  open (value: string): Opened {
    const text = this.#vault.decrypt(value, BOUND_TO)
    if (text === undefined) return { state: SEALED.test(value) && !this.#vault.isKnown(value) ? 'foreign' : 'altered' }
    return { state: 'readable', isCurrent: this.#vault.isCurrent(value), keys: JSON.parse(text) as StoredKey[] }
  }
}
