import type { Client } from 'pg'
import { parseConnectionString } from '../../sessions/connection-string.js'
import { singleHosts } from '../../sessions/hosts.js'
import { layoutOf } from '../../sessions/layout-of.js'
import type { TableShape } from '../../sessions/statements/table-shape.js'
import { isLoopback } from '../../url.js'
import { clientFor } from '../database/connect.js'
import { troubleOf } from '../database/trouble.js'
import { durationOf } from '../words.js'
import { authorityOf } from './authority.js'
import { STATE, type State } from './database-state.js'
import { fail, ok, unknown, warn, type Finding } from './finding.js'

const CONNECT_MS = 5000
const QUERY_MS = 3000
/** Beyond this, ID tokens are refused. */
const MAX_SKEW_MS = 30_000

export interface Capacity { poolMax: number, instances: number }

/** Each host of a connection string that is well-formed. */
export async function checkDatabase (url: string, env: NodeJS.ProcessEnv, capacity: Capacity): Promise<Finding[]> {
  const hosts = singleHosts(url)
  const [only = '', ...others] = hosts
  if (others.length === 0) return await checkHost(only, env, capacity)
  const found = await Promise.all(hosts.map(async (host) => {
    const findings = await checkHost(host, env, capacity)
    const { hostname = '' } = parseConnectionString(host) ?? {}
    return findings.map((finding) => ({ ...finding, name: `${finding.name} (${decodeURIComponent(hostname)})` }))
  }))
  return found.flat()
}

async function checkHost (url: string, env: NodeJS.ProcessEnv, capacity: Capacity): Promise<Finding[]> {
  let client: Client
  try {
    client = await clientFor(url, env, { connectMs: CONNECT_MS, queryMs: QUERY_MS })
  } catch (error) {
    return [fail('database', (error as Error).message)]
  }
  try {
    await client.connect()
  } catch (error) {
    void client.end().catch(() => {})
    return [await connectionFailure(error, url)]
  }
  try {
    return await checkConnected(client, url, capacity)
  } catch (error) {
    const { problem, advice } = troubleOf(error)
    return [fail('database', problem, advice)]
  } finally {
    void client.end().catch(() => {})
  }
}

async function connectionFailure (error: unknown, url: string): Promise<Finding> {
  const { kind, problem, advice } = troubleOf(error)
  const { hostname = '', port = '' } = parseConnectionString(url) ?? {}
  const isUnknownAuthority = kind === 'tls' && problem.includes('authority')
  const server = { host: decodeURIComponent(hostname), port: Number(port || 5432), isPostgres: true }
  const authority = isUnknownAuthority ? await authorityOf(server) : undefined
  return fail('database', authority === undefined ? problem : `${problem}: ${authority}`, advice)
}

async function checkConnected (client: Client, url: string, capacity: Capacity): Promise<Finding[]> {
  const sentMs = Date.now()
  const { rows: [clock] } = await client.query<{ now: number }>(
    'SELECT date_part(\'epoch\', clock_timestamp()) * 1000 AS now'
  )
  const skewMs = (sentMs + Date.now()) / 2 - (clock?.now ?? sentMs)
  const { rows: [state] } = await client.query<State>(STATE)
  if (state === undefined) return [fail('database', 'the catalogue cannot be read')]
  return [
    ok('database', `PostgreSQL ${state.version}, database ${state.database}, role ${state.role}`),
    ...encryption(client, url),
    ...primary(state),
    ...tableFindings(state),
    ...privileges(state),
    ok('time zone', `${state.time_zone}; expire is in UTC whatever it is`),
    ...timeouts(state),
    clockFinding(skewMs),
    connections(state, capacity)
  ]
}

function encryption (client: Client, url: string): Finding[] {
  const { stream } = (client as unknown as { connection: { stream: { encrypted?: boolean } } }).connection
  if (stream.encrypted === true) return [ok('encryption', 'the connection uses TLS')]
  const host = parseConnectionString(url)?.hostname ?? ''
  const isLocal = host === '' || host.startsWith('%2F') || host === 'placeholder' || isLoopback(host)
  if (isLocal) return [ok('encryption', 'no TLS, within this machine')]
  return [warn('encryption', 'the connection uses no TLS', 'append sslmode=verify-full to DATABASE_URL')]
}

function primary ({ is_read_only: isReadOnly }: State): Finding[] {
  return isReadOnly
    ? [fail('primary', 'the database is read-only, as a standby is', 'use the address of the primary')]
    : [ok('primary', 'the database is writable')]
}

function tableFindings (state: State): Finding[] {
  const { shape, other_schemas: elsewhere, may_create: mayCreate } = state
  if (shape !== null) return columns(shape, state)
  if (elsewhere.length > 0) {
    return [fail(
      'table', `there is a table session in ${elsewhere.join(', ')}, which is not on the search path of the role`,
      'set search_path on the role, or grant USAGE on the schema'
    )]
  }
  if (mayCreate) return [warn('table', 'there is no table session', 'the server creates it when it starts')]
  return [fail(
    'table', 'there is no table session, and the role may not create it', 'run `cashsouk-auth schema` as its owner'
  )]
}

function columns (shape: TableShape, { invalid_indexes: invalid }: State): Finding[] {
  try {
    const layout = layoutOf('"session"', shape, { userKey: ['user', 'sub'], keys: [] })
    const findings = [ok('table', 'the columns are those that the server needs')]
    if (!layout.hasUserColumn) {
      findings.push(warn(
        'table', 'there is no column user_sub, so that looking for a user reads every row',
        'add it, as docs/migrating.md has it'
      ))
    }
    if (!layout.hasExpireIndex) {
      findings.push(warn('table', 'no index begins with expire, so that pruning reads every row', 'create it'))
    }
    for (const name of invalid) {
      findings.push(warn('table', `the index ${name} is invalid`, 'drop it, and create it again'))
    }
    return findings
  } catch (error) {
    return [fail('columns', (error as Error).message, 'change the table, or use another database')]
  }
}

function privileges ({ shape, missing_privileges: missing, role }: State): Finding[] {
  if (shape === null) return []
  if (missing.length === 0) return [ok('privileges', 'SELECT, INSERT, UPDATE and DELETE on session')]
  const list = missing.join(', ')
  return [fail('privileges', `the role lacks ${list} on session`, `GRANT ${list} ON "session" TO ${role};`)]
}

/** The settings of docs/operations.md, and what they are there. */
const TIMEOUTS = {
  statement_timeout: '2500ms', lock_timeout: '1500ms', idle_in_transaction_session_timeout: '4s'
} as const

function timeouts (state: State): Finding[] {
  return Object.entries(TIMEOUTS).map(([name, value]) => {
    const setting = state[name as keyof typeof TIMEOUTS]
    if (setting !== '0') return ok('role time-outs', `${name} is ${setting}`)
    return warn('role time-outs', `${name} is not set`, `ALTER ROLE ${state.role} SET ${name} = '${value}';`)
  })
}

/** @param skewMs by how much this machine is ahead of the database. */
export function clockFinding (skewMs: number): Finding {
  const message = `this machine is ${durationOf(skewMs / 1000)} ${skewMs < 0 ? 'behind' : 'ahead of'} the database`
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return ok('clock', message)
  return fail('clock', message, 'set the time synchronisation of both: beyond 30 s, ID tokens are refused')
}

function connections (state: State, { poolMax, instances }: Capacity): Finding {
  const limits = [state.max_connections - state.reserved, state.role_limit, state.database_limit]
  const available = Math.min(...limits.filter((limit) => limit >= 0))
  const needed = poolMax * instances
  const sum = `${instances} × ${poolMax} connections`
  const advice = 'lower DATABASE_POOL_MAX, or raise max_connections'
  if (needed > available) return fail('connections', `${sum} are more than the ${available} of the database`, advice)
  if (2 * needed > available) {
    return warn('connections', `${sum}, doubled by a rolling deployment, are more than the ${available} there`, advice)
  }
  if (needed === 0) return unknown('connections', 'no instances')
  return ok('connections', `${sum} of ${available}`)
}
