import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the ports that operating systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): one of
 * those might be taken again before the caller listens. Above 10080, the last one that browsers and `fetch` refuse.
 */
const LOWEST = 10_081
const HIGHEST = 32_767
const ATTEMPTS = 50

/**
 * A port of 127.0.0.1 that was free a moment ago.
 *
 * @param preferred returned if it is free; 0: any port.
 */
export async function freePort (preferred = 0): Promise<number> {
  if (preferred !== 0 && await isFree(preferred)) return preferred
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    if (await isFree(port)) return port
  }
  throw new Error(`None of ${ATTEMPTS} ports of 127.0.0.1 from ${LOWEST} to ${HIGHEST} is free`)
}

function isFree (port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => { resolve(false) })
    server.listen(port, '127.0.0.1', () => { server.close(() => { resolve(true) }) })
  })
}
