import { loadConfig } from '../../config.js'
import { ERR_CONFIG } from '../../errors.js'
import { poolIssuers } from '../../login/issuers.js'
import { fillFromFiles } from '../../secrets/secret-sources.js'
import { callbackPath, AUTH_PREFIX } from '../../login/paths.js'
import { variableNames, variables } from '../../variables.js'
import { fail, ok, type Finding } from './finding.js'

/** What the other checks need, as far as it is well-formed. */
export interface Known {
  databaseUrl: string | undefined
  poolMax: number
  cognito: CognitoSettings
}

export interface CognitoSettings {
  issuers: readonly string[]
  /** Whether one of the issuers is enough: they are two forms of one user pool. */
  isPool: boolean
  domain: string | undefined
  clientId: string | undefined
  /** Empty for a public client. */
  clientSecrets: readonly string[]
  scopes: string
  callbackUrl: string | undefined
  HTTPS_PROXY?: string
  NO_PROXY?: string
}

/** A finding for every variable that is missing or wrong. */
export function checkVariables (given: NodeJS.ProcessEnv): { findings: Finding[], known: Known } {
  const lines = problemsIn(given)
  const { env } = fillFromFiles(given, variableNames)
  const isGood = (name: string): boolean => !lines.some((line) => line.startsWith(`${name} `))
  const set = Object.keys(given).filter((name) => variableNames.includes(name)).length
  const findings = lines.length === 0
    ? [ok('variables', `${set} set, all well-formed`)]
    : lines.map((line) => fail('variables', line))
  const get = (name: string): string | undefined => {
    const value = env[name] ?? ''
    return value !== '' && isGood(name) ? value : undefined
  }
  return {
    findings,
    known: {
      databaseUrl: get('DATABASE_URL'),
      poolMax: Number(get('DATABASE_POOL_MAX') ?? variables.DATABASE_POOL_MAX.default),
      cognito: cognitoSettings(env, get)
    }
  }
}

/** A line for each problem, which begins with the name of the variable. */
function problemsIn (env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env)
    return []
  } catch (error) {
    if (!(error instanceof ERR_CONFIG)) throw error
    return error.message.split('\n').slice(1)
  }
}

function cognitoSettings (env: NodeJS.ProcessEnv, get: (name: string) => string | undefined): CognitoSettings {
  const named = get('COGNITO_ISSUER')
  const poolId = get('COGNITO_USER_POOL_ID')
  const ofPool = poolId === undefined ? [] : poolIssuers(poolId)
  const publicUrl = get('PUBLIC_URL')
  const proxy = get('HTTPS_PROXY') ?? env['https_proxy'] ?? ''
  const noProxy = get('NO_PROXY') ?? env['no_proxy']
  return {
    issuers: named?.split(',').map((url) => url.replace(/\/+$/, '')) ?? ofPool,
    isPool: named === undefined,
    domain: get('COGNITO_DOMAIN')?.replace(/\/$/, ''),
    clientId: get('COGNITO_CLIENT_ID'),
    clientSecrets: get('COGNITO_CLIENT_SECRET')?.split(',') ?? [],
    scopes: get('COGNITO_SCOPES') ?? variables.COGNITO_SCOPES.default ?? '',
    callbackUrl: publicUrl === undefined ? undefined : publicUrl.replace(/\/$/, '') + callbackPath(AUTH_PREFIX),
    ...(proxy === '' ? {} : { HTTPS_PROXY: proxy.includes('://') ? proxy : `http://${proxy}` }),
    ...(noProxy === undefined ? {} : { NO_PROXY: noProxy })
  }
}
