import { isCapable, type Terminal } from './terminal.js'
import { grouped } from './words.js'

const WIDTH = 30
/** How long a command works before a bar is worth its while, and how often it is drawn, in milliseconds. */
const DELAY_MS = 500
const REDRAW_MS = 100

export interface Progress {
  /** @param done of the total. */
  at (done: number): void
  /** Removes the bar. */
  end (): void
}

const NONE: Progress = { at () {}, end () {} }

/**
 * A progress bar on stderr, after half a second of work. None in a pipe, and none on a terminal that does not move its
 * cursor. It has no colours.
 */
export function progress ({ stderr, env }: Terminal, label: string, total: number): Progress {
  if (!isCapable(stderr, env)) return NONE
  const beganMs = performance.now()
  let drawnMs = beganMs + DELAY_MS - REDRAW_MS
  let isShown = false
  return {
    at (done) {
      const nowMs = performance.now()
      if (nowMs - drawnMs < REDRAW_MS) return
      drawnMs = nowMs
      isShown = true
      stderr.write(`\r\u001b[K${bar(label, done, Math.max(total, done), (nowMs - beganMs) / 1000)}`)
    },
    end () {
      if (isShown) stderr.write('\r\u001b[K')
      isShown = false
    }
  }
}

function bar (label: string, done: number, total: number, seconds: number): string {
  const part = total === 0 ? 1 : done / total
  const filled = Math.round(part * WIDTH)
  const left = done === 0 ? '' : `, ${Math.round(seconds / part - seconds)} s left`
  return `${label} [${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ` +
    `${Math.floor(part * 100)} % (${grouped(done)} of ${grouped(total)}${left})`
}
