import type { Config } from '../variables.js'

/** The ids of the user pools of this configuration: that of the variable, and those with which its issuers end. */
export function poolIds (
  { COGNITO_USER_POOL_ID: id, COGNITO_ISSUER: issuers }: Pick<Config, 'COGNITO_USER_POOL_ID' | 'COGNITO_ISSUER'>
): string[] {
  const ofIssuers = issuers.map((issuer) => issuer.slice(issuer.lastIndexOf('/') + 1))
  return [...new Set([...(id === undefined ? [] : [id]), ...ofIssuers.filter(isPoolId)])]
}

/** As the API reference has it: `[\w-]+_[0-9a-zA-Z]+`. */
const isPoolId = (text: string): boolean => /^[\w-]+_[0-9a-zA-Z]+$/.test(text)
