import { ABSOLUTE_TTL_S, SECRET, TTL_S } from '../sample.js'

/** Variables of this server in production, with every feature on and the rate limit off. */
export const productionSettings = (databaseUrl: string, providerUrl: string): Record<string, string> => ({
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  PUBLIC_URL: 'http://localhost:1',
  DATABASE_URL: databaseUrl,
  DATABASE_PREPARED_STATEMENTS: 'true',
  SESSION_SECRET: SECRET,
  SESSION_TTL: String(TTL_S),
  SESSION_ABSOLUTE_TTL: String(ABSOLUTE_TTL_S),
  COGNITO_DOMAIN: providerUrl,
  COGNITO_ISSUER: `${providerUrl}/pool`,
  COGNITO_CLIENT_ID: 'client',
  COGNITO_CLIENT_SECRET: 'secret',
  LOGIN_RATE_LIMIT: '0'
})
