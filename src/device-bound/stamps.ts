import type { DevicePurpose } from '../keys.js'
import { memoize } from '../sessions/memoize.js'
import { Macs } from './macs.js'

/** `TIME.MAC`; the time in milliseconds since 1970, in base 36. */
const MAX_LENGTH = 64
const STAMP = /^([0-9a-z]{1,10})\.([A-Za-z0-9_-]{43})$/

/** Genuine stamps that are remembered in each of two generations, some 200 bytes each. */
const MAX_KNOWN = 5000

/** Signed times. Each is bound to a subject, and worthless for any other. */
export class Stamps {
  readonly #macs: Macs
  /** The time of a genuine stamp and its subject, separated by a space. */
  readonly #timeOf = memoize((text) => this.#check(text), MAX_KNOWN, (time) => time !== undefined)

  /** @param secrets one at least: the first signs, all verify. */
  constructor (secrets: readonly string[], purpose: DevicePurpose) {
    this.#macs = new Macs(secrets, purpose)
  }

  of (subject: string, atMs: number): string {
    const time = Math.floor(atMs).toString(36)
    return `${time}.${this.#macs.of(`${time} ${subject}`)}`
  }

  /** The time of a stamp; undefined unless it is genuine and of this subject. */
  timeOf (stamp: string, subject: string): number | undefined {
    return stamp.length > MAX_LENGTH ? undefined : this.#timeOf(`${stamp} ${subject}`)
  }

  #check (text: string): number | undefined {
    const end = text.indexOf(' ')
    const [stamp, subject] = [text.slice(0, end), text.slice(end + 1)]
    const [, time, mac] = STAMP.exec(stamp) ?? []
    if (time === undefined || mac === undefined || !this.#macs.isOf(mac, `${time} ${subject}`)) return undefined
    return Number.parseInt(time, 36)
  }
}
