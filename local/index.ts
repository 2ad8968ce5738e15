/**
 * The stand-ins for a developer's machine: a real PostgreSQL, a user pool like Cognito's, a session secret.
 * Each is started, and its dependencies are loaded, only where its variable is unset.
 *
 * @module
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.js'
import { endWithNpm } from './orphan.js'
import { sessionSecret } from './secret.js'

export interface StandIns { env: NodeJS.ProcessEnv, close (): Promise<void> }

/** Kept between runs: the database, the session secret, the user pool's keys. */
const DATA = '.data'

/** @param given the environment; what it sets is left alone. */
export async function startStandIns (given: NodeJS.ProcessEnv): Promise<StandIns> {
  const env = { ...given }
  const closers: (() => Promise<void>)[] = []
  endWithNpm(given)
  const close = async () => { for (const end of closers.splice(0).reverse()) await end() }
  try {
    const dataDir = join(process.cwd(), DATA)
    await mkdir(dataDir, { recursive: true })
    env.SESSION_SECRET = env.SESSION_SECRET || await sessionSecret(dataDir)
    // The pool knows callback URLs exactly, so the port has to be known before anything listens.
    if (env.PORT === '0') env.PORT = String(await freePort())
    if (!env.DATABASE_URL) {
      const { startPostgres } = await import('./postgres/index.js')
      const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres') })
      closers.push(() => postgres.close())
      env.DATABASE_URL = postgres.url
    }
    if (!env.COGNITO_CLIENT_ID) {
      const publicUrl = (env.PUBLIC_URL || `http://localhost:${env.PORT || '3000'}`).replace(/\/$/, '')
      const { startCognito } = await import('./cognito/index.js')
      const cognito = await startCognito({
        dataDir: join(dataDir, 'cognito'),
        redirectUris: [`${publicUrl}/api/auth/callback`],
        logoutUris: [env.LOGOUT_URL || `${publicUrl}/`]
      })
      closers.push(() => cognito.close())
      Object.assign(env, {
        COGNITO_DOMAIN: cognito.origin,
        COGNITO_ISSUER: cognito.issuer,
        COGNITO_CLIENT_ID: cognito.clientId,
        COGNITO_CLIENT_SECRET: cognito.clientSecret
      })
    }
    return { env, close }
  } catch (error) {
    await close()
    throw error
  }
}
