/** Bytes of a message's type and length. */
const HEAD = 5
/** PostgreSQL allocates less than 1 GB for a message. */
const MAX_LENGTH = 0x3fff_ffff
/** Types of messages that may be longer than this: rows, copied data, errors, notices and notifications. */
const MAX_LENGTH_OF_OTHERS = 30_000
const LONG_TYPES = new Set(Buffer.from('TDdVENA'))
const OTHER_TYPES = new Set(Buffer.from('RKSZCIGHWcnstv123'))

/**
 * Tells whether what a server sends can be PostgreSQL's protocol. pg waits for as many bytes as a message says that it
 * has: if the length is no length, the connection answers nothing more, and each query on it takes all of its time.
 *
 * The limits are those of libpq, which gives up with "lost synchronization with server".
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export class ProtocolGuard {
  readonly #head = Buffer.alloc(HEAD)
  #headBytes = 0
  /** Bytes of the present message that have not come yet. */
  #rest = 0

  /** @param bytes the next ones of the connection, from its beginning on. */
  isPossible (bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length;) {
      if (this.#rest > 0) {
        const taken = Math.min(this.#rest, bytes.length - at)
        this.#rest -= taken
        at += taken
        continue
      }
      let [head, headAt] = [bytes, at]
      if (this.#headBytes > 0 || bytes.length - at < HEAD) {
        const copied = bytes.copy(this.#head, this.#headBytes, at)
        at += copied
        this.#headBytes += copied
        if (this.#headBytes < HEAD) return true;
        [head, headAt] = [this.#head, 0]
        this.#headBytes = 0
      } else {
        at += HEAD
      }
      const length = head.readUInt32BE(headAt + 1)
      if (!isMessage(head[headAt] as number, length)) return false
      this.#rest = length - 4
    }
    return true
  }
}

/** @param length as the message has it: with its own four bytes. */
const isMessage = (type: number, length: number): boolean =>
  length >= 4 && (LONG_TYPES.has(type) ? length <= MAX_LENGTH : OTHER_TYPES.has(type) && length <= MAX_LENGTH_OF_OTHERS)
