import Fastify from 'fastify'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { DOCUMENT_PATH } from '../../src/login/paths.js'

/** What has no default, and what switches routes on. Nothing is connected to. */
export const ENV = {
  PUBLIC_URL: 'http://localhost:3000',
  DATABASE_URL: 'postgres://127.0.0.1:1/none',
  SESSION_SECRET: 'signs nothing: no session is made here',
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
  COGNITO_CLIENT_ID: 'example',
  COGNITO_EVENTS_SECRET: 'is-brought-by-nothing',
  VERIFY_HEADERS: 'oauth2-proxy'
}

/** The document of every route, as JSON with line breaks. */
export async function openApiDocument (): Promise<string> {
  const fastify = Fastify(options)
  try {
    await fastify.register(app, { config: loadConfig(ENV) })
    const { statusCode, body } = await fastify.inject(DOCUMENT_PATH)
    if (statusCode !== 200) throw new Error(`${DOCUMENT_PATH} answered ${statusCode}: ${body}`)
    return `${JSON.stringify(JSON.parse(body), null, 2)}\n`
  } finally {
    await fastify.close()
  }
}
