import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { deriveKeys, type EncryptionPurpose } from '../keys.js'

/** NIST SP 800-38D §5.2.1.1 and §5.2.1.2. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

interface Key { id: string, bytes: Buffer }

/**
 * Encrypts what has to be kept, such as the provider's tokens: AES-256-GCM with a key derived from SESSION_SECRET.
 * A token is decrypted only for what it was bound to, so its ciphertext is worthless in another row.
 */
export class TokenVault {
  readonly #keys: readonly Key[]
  readonly #current: Key

  /** @param secrets one at least: the first encrypts, all decrypt. */
  constructor (secrets: readonly string[], purpose: EncryptionPurpose = 'token encryption') {
    const ids = deriveKeys(secrets, `${purpose} id`)
    const keys = deriveKeys(secrets, purpose)
    this.#keys = keys.map((bytes, index) => ({ id: ids[index]?.toString('base64url').slice(0, 8) ?? '', bytes }))
    const [current] = this.#keys
    if (current === undefined) throw new TypeError('TokenVault needs a secret')
    this.#current = current
  }

  /**
   * `KEYID.BASE64URL(nonce, ciphertext, tag)`
   *
   * @param boundTo names the row, and the token's place in it.
   */
  encrypt (token: string, boundTo: string): string {
    const nonce = randomBytes(NONCE_BYTES)
    const { id, bytes: key } = this.#current
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(Buffer.from(boundTo))
    const ciphertext = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()])
    return `${id}.${Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString('base64url')}`
  }

  /** Whether `encrypted` was encrypted with the first secret. */
  isCurrent (encrypted: string): boolean {
    return encrypted.startsWith(`${this.#current.id}.`)
  }

  /** Whether `encrypted` names one of the secrets, whether or not it can be decrypted. */
  isKnown (encrypted: string): boolean {
    return this.#keys.some(({ id }) => encrypted.startsWith(`${id}.`))
  }

  /** The token; undefined when it was encrypted with an unknown key, bound to something else, or altered. */
  decrypt (encrypted: string, boundTo: string): string | undefined {
    const [id = '', body = '', ...more] = encrypted.split('.')
    const key = this.#keys.find((known) => known.id === id)?.bytes
    const bytes = Buffer.from(body, 'base64url')
    if (key === undefined || bytes.length < NONCE_BYTES + TAG_BYTES || more.length > 0) return undefined
    // Buffer.from skips what is not base64url: only the canonical text is accepted.
    if (bytes.toString('base64url') !== body) return undefined
    try {
      const nonce = bytes.subarray(0, NONCE_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(boundTo))
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      const ciphertext = bytes.subarray(NONCE_BYTES, -TAG_BYTES)
      return decipher.update(ciphertext, undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return undefined
    }
  }
}
