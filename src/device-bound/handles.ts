import { createHash } from 'node:crypto'
import { TokenVault } from '../login/token-vault.js'

/** Longer ones are refused unread. A session id has 32 characters, and an application's may be longer. */
const MAX_LENGTH = 1024

/** What a handle is for. One for one purpose is worthless for the other. */
export type HandlePurpose = 'ticket' | 'identifier'

/**
 * Random names of sessions, which this server alone can resolve: the session's id, encrypted with a random nonce. They
 * are no session ids, and each is good only while the session's row has its hash. No index is needed to find the row.
 */
export class Handles {
  readonly #vault: TokenVault

  constructor (secrets: readonly string[]) {
    this.#vault = new TokenVault(secrets, 'device handle encryption')
  }

  make (sessionId: string, purpose: HandlePurpose): string {
    return this.#vault.encrypt(sessionId, purpose)
  }

  /** The session's id; undefined for what this server has not made for this purpose. */
  sessionId (handle: string, purpose: HandlePurpose): string | undefined {
    return handle.length > MAX_LENGTH ? undefined : this.#vault.decrypt(handle, purpose)
  }
}

/** What a row keeps of a handle: 132 bits of its SHA-256. */
export const hashOf = (handle: string): string =>
  createHash('sha256').update(handle).digest('base64url').slice(0, 22)
