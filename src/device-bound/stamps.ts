import type { DevicePurpose } from '../keys.js'
import { Macs } from './macs.js'

/** `TIME.MAC`; the time in milliseconds since 1970, in base 36. */
const STAMP = /^([0-9a-z]{1,10})\.([A-Za-z0-9_-]{43})$/

/** Signed times. Each is bound to a subject, and worthless for any other. */
export class Stamps {
  readonly #macs: Macs

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
    const [, time, mac] = STAMP.exec(stamp) ?? []
    if (time === undefined || mac === undefined || !this.#macs.isOf(mac, `${time} ${subject}`)) return undefined
    return Number.parseInt(time, 36)
  }
}
