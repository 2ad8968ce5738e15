import type { Client } from 'pg'
import { rdsTokens } from '../../rds/tokens.js'
import { connectionOptions, parseConnectionString } from '../../sessions/connection-string.js'
import { singleHosts, wantsWritable } from '../../sessions/hosts.js'
import { CommandError } from '../failure.js'
import { troubleOf } from './trouble.js'

/** Time limits in milliseconds. */
export interface ClientLimits { connectMs: number, queryMs: number }

type Environment = NodeJS.ProcessEnv

/**
 * A connection that is not open yet.
 *
 * @param url with one host.
 */
export async function clientFor (url: string, env: Environment, { connectMs, queryMs }: ClientLimits): Promise<Client> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    ...connectionOptions(url),
    ...(env['DATABASE_AUTH'] === 'rds-iam' ? { password: await tokenFor(url) } : {}),
    application_name: 'cashsouk-auth cli',
    connectionTimeoutMillis: connectMs,
    query_timeout: queryMs
  })
  // A lost connection fails the query that waits for it.
  client.on('error', () => {})
  return client
}

async function tokenFor (url: string): Promise<string> {
  const { hostname = '', port = '', username = '' } = parseConnectionString(url) ?? {}
  const tokens = await rdsTokens()
  const [host, user] = [hostname, username].map(decodeURIComponent) as [string, string]
  return await tokens.of({ host, port: Number(port || 5432), user })
}

/**
 * Connects to the first host of a connection string that answers, and takes writes if there are several.
 *
 * @throws {CommandError} what the last one said.
 */
export async function connect (url: string, env: Environment, limits: ClientLimits): Promise<Client> {
  let failure = new CommandError('DATABASE_URL has no host')
  for (const single of singleHosts(url)) {
    const client = await clientFor(single, env, limits)
    try {
      await client.connect()
      if (!wantsWritable(url) || await takesWrites(client)) return client
      failure = new CommandError('no host of DATABASE_URL takes writes')
    } catch (error) {
      const { problem, advice } = troubleOf(error)
      failure = new CommandError(advice === undefined ? problem : `${problem}: ${advice}`)
    }
    void client.end().catch(() => {})
  }
  throw failure
}

async function takesWrites (client: Client): Promise<boolean> {
  const { rows: [row] } = await client.query<{ transaction_read_only: string }>('SHOW transaction_read_only')
  return row?.transaction_read_only === 'off'
}
