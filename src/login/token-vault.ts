import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { deriveKeys } from '../keys.js'

/** Bytes of a GCM nonce and tag (NIST SP 800-38D §5.2.1.1, §5.2.1.2). */
const NONCE = 12
const TAG = 16

/**
 * Encrypts the provider's tokens that have to be kept: AES-256-GCM with a key derived from SESSION_SECRET.
 * A sealed token opens only for what it was bound to, so it is worthless in another row.
 */
export class TokenVault {
  readonly #keys: Map<string, Buffer>
  readonly #current: string

  /** @param secrets the first seals, all open. */
  constructor (secrets: readonly string[]) {
    const ids = deriveKeys(secrets, 'token encryption id').map((key) => key.toString('base64url').slice(0, 8))
    const keys = deriveKeys(secrets, 'token encryption')
    this.#keys = new Map(ids.map((id, index) => [id, keys[index] as Buffer]))
    this.#current = ids[0] as string
  }

  /**
   * `KEYID.BASE64URL(nonce, ciphertext, tag)`
   *
   * @param boundTo names the row, and the token's place in it.
   */
  seal (token: string, boundTo: string): string {
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('aes-256-gcm', this.#keys.get(this.#current) as Buffer, nonce, { authTagLength: TAG })
    cipher.setAAD(Buffer.from(boundTo))
    const ciphertext = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()])
    return `${this.#current}.${Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString('base64url')}`
  }

  /** Whether `sealed` was sealed with the first secret. */
  isCurrent (sealed: string): boolean {
    return sealed.startsWith(`${this.#current}.`)
  }

  /** The token; undefined when it was sealed with an unknown key, bound to something else, or altered. */
  open (sealed: string, boundTo: string): string | undefined {
    const [id = '', body = '', ...more] = sealed.split('.')
    const key = this.#keys.get(id)
    const bytes = Buffer.from(body, 'base64url')
    // One token has one seal: Buffer.from skips what is not base64url.
    if (key === undefined || bytes.length < NONCE + TAG || more.length > 0 || bytes.toString('base64url') !== body) return undefined
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG })
      decipher.setAAD(Buffer.from(boundTo))
      decipher.setAuthTag(bytes.subarray(-TAG))
      return decipher.update(bytes.subarray(NONCE, -TAG), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return undefined
    }
  }
}
