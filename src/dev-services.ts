/**
 * The only access to `local/`, the local development services. They never start in production, whose image
 * does not have that folder.
 *
 * @module
 */
import { access } from 'node:fs/promises'

export interface DevServices {
  /** The environment, with the variables of the started services filled in. */
  env: NodeJS.ProcessEnv
  close (): Promise<void>
}

const LOCAL = new URL('../local/index.js', import.meta.url)

/** Starts local PostgreSQL and local Cognito for the variables that `env` leaves unset. */
export async function startDevServices (env: NodeJS.ProcessEnv): Promise<DevServices> {
  const none: DevServices = { env, close: async () => {} }
  if (env.NODE_ENV === 'production') return none
  const isPresent = await access(LOCAL).then(() => true, () => false)
  if (!isPresent) return none
  const local = await import(LOCAL.href) as { startDevServices: typeof startDevServices }
  return local.startDevServices(env)
}
