import { hkdfSync } from 'node:crypto'

/** What a key derived from SESSION_SECRET is for. No two purposes share a key. */
export type Purpose = 'session id' | EncryptionPurpose | `${EncryptionPurpose} id` | 'login proposal' | DevicePurpose

/** What is encrypted with a key derived from SESSION_SECRET. */
export type EncryptionPurpose = 'token encryption' | 'signing key encryption' | 'device handle encryption'

/** What is authenticated of sessions that are bound to a device. */
export type DevicePurpose = 'device cookie' | 'device challenge'

/** A 32-byte key for `purpose` from each secret, in their order (HKDF with SHA-256, RFC 5869). */
export function deriveKeys (secrets: readonly string[], purpose: Purpose): Buffer[] {
  return secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', `cashsouk-auth ${purpose}`, 32)))
}
