/**
 * The only door to `local/`, the stand-ins for a developer's machine: opened outside production, and only
 * where that folder is. The production image does not have it.
 *
 * @module
 */
import { access } from 'node:fs/promises'

export interface StandIns {
  /** The environment with what was unset filled in. */
  env: NodeJS.ProcessEnv
  close (): Promise<void>
}

const LOCAL = new URL('../local/index.js', import.meta.url)

export async function startStandIns (env: NodeJS.ProcessEnv): Promise<StandIns> {
  const without: StandIns = { env, close: async () => {} }
  if (env.NODE_ENV === 'production') return without
  const present = await access(LOCAL).then(() => true, () => false)
  if (!present) return without
  const local = await import(LOCAL.href) as { startStandIns (env: NodeJS.ProcessEnv): Promise<StandIns> }
  return local.startStandIns(env)
}
