import { spawnSync } from 'node:child_process'

/** How often an idle machine can start Node.js in two seconds, at least. */
const STARTS_IN_2_S = 30

/** A limit in milliseconds for an idle machine, extended in proportion on one that is busy or slow. */
export function limitOf (ms: number): number {
  const starts = Array.from({ length: 3 }, () => {
    const began = performance.now()
    spawnSync(process.execPath, ['--eval', '0'], { env: {} })
    return performance.now() - began
  })
  return ms * Math.max(1, Math.max(...starts) * STARTS_IN_2_S / 2000)
}
