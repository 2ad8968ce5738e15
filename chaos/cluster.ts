import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../local/free-port.js'
import { openGate, type Gate } from './gate.js'
import { instanceOf, type Instance } from './instances.js'
import { startNginx } from './nginx.js'
import { createPostgres, type Postgres } from './postgres.js'
import { startProvider, type Provider } from './provider.js'

/** Everything that a fault can hit: three instances behind nginx, the database behind a gate, and the provider. */
export interface Cluster {
  /** As browsers see it. */
  url: string
  folder: string
  instances: Instance[]
  postgres: Postgres
  gate: Gate
  provider: Provider
  close (): Promise<void>
}

const INSTANCES = 3

export interface ClusterOptions {
  /** Variables of the instances. */
  env?: Record<string, string>
  /** Where the database is. Default: a folder of the cluster. */
  databaseFolder?: string
  settings?: string[]
}

export async function startCluster (
  { env = {}, databaseFolder, settings = [] }: ClusterOptions = {}
): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'cashsouk-auth-chaos-'))
  chmodSync(folder, 0o755) // PostgreSQL runs as a user of its own
  const closers: (() => Promise<unknown>)[] = [async () => { rmSync(folder, { recursive: true, force: true }) }]
  const close = async () => { for (const end of closers.splice(0).reverse()) await end() }
  try {
    const postgres = await createPostgres(databaseFolder ?? join(folder, 'postgres'), settings)
    closers.push(() => postgres.stop())
    const gate = await openGate(postgres.port)
    closers.push(() => gate.close())
    const provider = await startProvider()
    closers.push(() => provider.close())
    const port = await freePort()
    const url = `http://localhost:${port}`
    const instances: Instance[] = []
    for (let n = 1; n <= INSTANCES; n++) {
      const variables = { ...settingsOf(url, gate, provider), ...env }
      instances.push(instanceOf(`instance-${n}`, await freePort(), variables, folder))
    }
    closers.push(() => Promise.all(instances.map((instance) => instance.close())))
    await Promise.all(instances.map((instance) => instance.start()))
    const nginx = await startNginx(folder, port, instances.map((instance) => instance.port))
    closers.push(() => nginx.close())
    return { url, folder, instances, postgres, gate, provider, close }
  } catch (error) {
    await close()
    throw error
  }
}

const settingsOf = (url: string, gate: Gate, { origin }: Provider): Record<string, string> => ({
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  LOG_LEVEL: 'warn',
  PUBLIC_URL: url,
  TRUST_PROXY: '127.0.0.1',
  DATABASE_URL: `postgres://cashsouk_auth@127.0.0.1:${gate.port}/cashsouk_auth`,
  SESSION_SECRET: 'a secret of the chaos run and of nothing else',
  COGNITO_DOMAIN: origin,
  COGNITO_ISSUER: `${origin}/pool`,
  COGNITO_CLIENT_ID: 'client',
  COGNITO_CLIENT_SECRET: 'secret',
  LOGIN_RATE_LIMIT: '0'
})
