import { readFile } from 'node:fs/promises'
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'

type OpenApi = NonNullable<FastifyDynamicSwaggerOptions['openapi']>

const TAGS = {
  'sign-in': 'Where browsers navigate to sign in through Cognito.',
  'session': 'For the code of a page, and for its server.',
  'pages': 'For people.',
  'proxy': 'For a proxy in front of an application, and for that application.',
  'machines': 'For Amazon EventBridge.',
  'health': 'For load balancers.'
}

/** What the document says beside the routes. */
export async function description (cookieName: string): Promise<OpenApi> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'cashsouk-auth',
      version: await version(),
      summary: 'Sign-in through Amazon Cognito, and sessions in PostgreSQL.',
      description: [
        'An error is `{ statusCode, code, message, requestId }`, with the codes that each route lists. A 401 may ' +
        'have a `reason` as well. The message of a 5xx says nothing of what happened: the log does. On routes for ' +
        'browsers, errors are pages where `Accept` has `text/html`.',
        'A URL that is malformed, or of no route, is answered before any route: 400 `ERR_VALIDATION`, 404 ' +
        '`ERR_NOT_FOUND`. A route with GET has HEAD as well, unless its description says otherwise.',
        'No answer but the keys of assertions is cached (`Cache-Control: no-store`).',
        'An unsafe request comes from a page of `PUBLIC_URL` or `RETURN_ORIGINS` (`Origin` or `Sec-Fetch-Site`), or ' +
        'has no cookie of this server.'
      ].join('\n\n'),
      license: { name: 'MIT', identifier: 'MIT' }
    },
    servers: [{ url: '/', description: 'PUBLIC_URL' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    components: {
      securitySchemes: {
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: cookieName,
          description: 'The session cookie (`COOKIE_NAME`), which a sign-in sets. HttpOnly: scripts cannot read it.'
        },
        eventsSecret: {
          type: 'apiKey',
          in: 'header',
          name: 'x-cashsouk-events-secret',
          description: 'One of `COGNITO_EVENTS_SECRET`.'
        },
        eventsBearer: { type: 'http', scheme: 'bearer', description: 'The same, as `Authorization: Bearer`.' }
      }
    }
  }
}

/** That of the package. */
async function version (): Promise<string> {
  const file = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version
}
