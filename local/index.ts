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
    const services = [
      ...(env.DATABASE_URL || env.DATABASE_URL_FILE ? [] : [{ name: 'PostgreSQL', start: startPostgres }]),
      ...(env.COGNITO_CLIENT_ID ? [] : [{ name: 'a stand-in for Cognito', start: startCognito }])
    ]
    if (services.length > 0) {
      process.stderr.write(`Starting ${services.map(({ name }) => name).join(' and ')} …\n`)
    }
    const started = await Promise.allSettled(services.map(async ({ start }) => start(env, dataDir)))
    for (const one of started) {
      if (one.status === 'fulfilled') closers.push(one.value.close)
    }
    for (const one of started) {
      if (one.status === 'rejected') throw one.reason
      Object.assign(env, one.value.variables)
    }
    return { env, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Service {
  /** What the server has to know of it. */
  variables: NodeJS.ProcessEnv
  close: () => Promise<void>
}

async function startPostgres (_env: NodeJS.ProcessEnv, dataDir: string): Promise<Service> {
  const { startPostgres: start } = await import('./postgres/index.js')
  const postgres = await start({ dataDir: join(dataDir, 'postgres') })
  return { variables: { DATABASE_URL: postgres.url }, close: () => postgres.close() }
}

async function startCognito (env: NodeJS.ProcessEnv, dataDir: string): Promise<Service> {
  const publicUrl = (env.PUBLIC_URL || `http://localhost:${env.PORT || '3000'}`).replace(/\/$/, '')
  const { startCognito: start } = await import('./cognito/index.js')
  const cognito = await start({
    dataDir: join(dataDir, 'cognito'),
    redirectUris: [`${publicUrl}/api/auth/callback`],
    logoutUris: [env.LOGOUT_URL || `${publicUrl}/`, ...env.LOGOUT_URLS?.split(',') ?? []]
  })
  return {
    variables: {
      COGNITO_DOMAIN: cognito.origin,
      COGNITO_ISSUER: cognito.issuer,
      COGNITO_CLIENT_ID: cognito.clientId,
      COGNITO_CLIENT_SECRET: cognito.clientSecret,
      COGNITO_CLIENT_SECRET_FILE: ''
    },
    close: () => cognito.close()
  }
}
