import { createHmac, timingSafeEqual } from 'node:crypto'
import { deriveKeys, type DevicePurpose } from '../keys.js'

/** Authenticates short texts with keys derived from SESSION_SECRET: HMAC-SHA256, as 43 characters of base64url. */
export class Macs {
  readonly #keys: readonly Buffer[]

  /** @param secrets one at least: the first signs, all verify. */
  constructor (secrets: readonly string[], purpose: DevicePurpose) {
    this.#keys = deriveKeys(secrets, purpose)
  }

  of (text: string): string {
    const [key] = this.#keys
    return key === undefined ? '' : macOf(key, text).toString('base64url')
  }

  isOf (mac: string, text: string): boolean {
    const given = Buffer.from(mac, 'base64url')
    // Buffer.from skips what is not base64url.
    if (given.toString('base64url') !== mac) return false
    return this.#keys.some((key) => {
      const expected = macOf(key, text)
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
  }
}

const macOf = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
