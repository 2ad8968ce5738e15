/**
 * Development services: a real PostgreSQL, a local Cognito user pool and a session secret. Each one is
 * started, and its dependencies are loaded, only if its variable is unset.
 *
 * @module
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.js'
import { endWithNpm } from './parent-watcher.js'
import { sessionSecret } from './secret.js'

export interface DevServices {
  /** The environment with the variables of the services filled in. */
  env: NodeJS.ProcessEnv
  close (): Promise<void>
}

/** Keeps the database, the session secret and the user pool's keys between runs. */
const DATA_FOLDER = '.data'

/** @param given the environment. Variables that are set are left alone. */
export async function startDevServices (given: NodeJS.ProcessEnv): Promise<DevServices> {
  const env = { ...given }
  const closers: (() => Promise<void>)[] = []
  endWithNpm(given)
  const close = async () => {
    for (const end of closers.splice(0).reverse()) await end()
  }
  try {
    const dataDir = join(process.cwd(), DATA_FOLDER)
    await mkdir(dataDir, { recursive: true })
    if (!env.SESSION_SECRET && !env.SESSION_SECRET_FILE) env.SESSION_SECRET = await sessionSecret(dataDir)
    // The user pool compares callback URLs exactly, so the port must be known before anything listens.
    if (env.PORT === '0') env.PORT = String(await freePort())
    if (!env.DATABASE_URL && !env.DATABASE_URL_FILE) {
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
        logoutUris: [env.LOGOUT_URL || `${publicUrl}/`, ...env.LOGOUT_URLS?.split(',') ?? []]
      })
      closers.push(() => cognito.close())
      Object.assign(env, {
        COGNITO_DOMAIN: cognito.origin,
        COGNITO_ISSUER: cognito.issuer,
        COGNITO_CLIENT_ID: cognito.clientId,
        COGNITO_CLIENT_SECRET: cognito.clientSecret,
        COGNITO_CLIENT_SECRET_FILE: ''
      })
    }
    return { env, close }
  } catch (error) {
    await close()
    throw error
  }
}
