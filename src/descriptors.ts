import { readFile } from 'node:fs/promises'

/** Connections that clients and load balancers keep open, as far as a server should expect them. */
const KEPT_CONNECTIONS = 1000
/** Files, Cognito, and what Node.js itself needs. */
const OTHERS = 100

/** How many file descriptors a server with a pool of this size should be allowed. */
export const neededDescriptors = (poolMax: number): number => poolMax + KEPT_CONNECTIONS + OTHERS

/**
 * How many file descriptors this process may have open; undefined where the system does not tell, as anywhere but on
 * Linux.
 *
 * @see {@link https://man7.org/linux/man-pages/man5/proc_pid_limits.5.html}
 */
export async function descriptorLimit (file = '/proc/self/limits'): Promise<number | undefined> {
  const limits = await readFile(file, 'utf8').catch(() => '')
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? undefined : Number(soft)
}
