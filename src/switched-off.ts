import { variableNames, type Config } from './variables.js'

/** Variables without which nothing is off: the process has them by itself, or another variable takes their place. */
const NO_FEATURES: ReadonlySet<string> = new Set(['NODE_ENV', 'PORT', 'COGNITO_USER_POOL_ID', 'COOKIE_DOMAIN'])

/** The variables whose feature is off: unset, empty, `false`, `off` or 0. `_FILE` variables are other forms. */
export function switchedOff (config: Config): string[] {
  const values = config as unknown as Record<string, unknown>
  return variableNames.filter((name) =>
    !NO_FEATURES.has(name) && !name.endsWith('_FILE') && isOff(values[name])).sort()
}

const isOff = (value: unknown): boolean =>
  value === undefined || value === false || value === 0 || value === '' || value === 'off' ||
  (Array.isArray(value) && value.length === 0)
