import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ERR_DATABASE, ERR_OVERLOADED } from '../src/errors.js'
import { homeUrl, homeUrls } from '../src/login/home-url.js'
import { accountPath, devicePageUrl } from '../src/login/paths.js'
import { authIn, withAuth } from '../src/login/silent.js'
import { homePage, type SignedIn } from '../src/pages/index.js'
import { pageResponse, redirectResponse } from '../src/schemas/page.js'
import { refusals } from '../src/schemas/refusals.js'
import { BY_ANYONE } from '../src/schemas/security.js'
import { isLoopback } from '../src/url.js'

const Home = {
  operationId: 'getHome',
  summary: 'The front page',
  description: 'A sign-in button for each role, or who is signed in and the user\'s sessions. Redirects to ' +
    '`HOME_URL`, if there is one for the role of the session.',
  tags: ['pages'],
  security: BY_ANYONE,
  response: {
    200: pageResponse('The page.'),
    302: redirectResponse('To `HOME_URL`.'),
    ...refusals(ERR_DATABASE, ERR_OVERLOADED)
  }
} as const

/**
 * `GET /`: redirects to `HOME_URL`, if there is one for the role of the session. Otherwise a page: a sign-in button
 * for each role, or who is signed in and the user's sessions.
 *
 * @throws {ERR_DATABASE} {ERR_OVERLOADED} 503
 */
const home: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, sessionStore, userSessions } = fastify
  const homes = homeUrls(config)

  fastify.get('/', { schema: Home }, async (request, reply) => {
    const { session, withoutDevice } = request
    if ((withoutDevice ?? null) !== null) return reply.redirect(devicePageUrl('/', config.prefix))
    const { user, role = '', roles = [] } = session
    const elsewhere = homeUrl(homes, user === undefined ? undefined : role)
    if (elsewhere !== undefined && !isHere(elsewhere)) {
      const auth = authIn(request.query)
      return reply.redirect(auth === undefined ? elsewhere : withAuth(elsewhere, auth))
    }
    const accountUrl = config.ACCOUNT_PAGE ? accountPath(config.prefix) : undefined
    const expiresAt = new Date(sessionStore.expiresAt(session) ?? 0).toISOString()
    const sessions = user === undefined ? [] : await userSessions.list(request)
    const signedIn: SignedIn | undefined = user === undefined
      ? undefined
      : { user, role, roles, expiresAt, sessions, accountUrl }
    return reply.sendPage((view) => homePage(config.ROLES, signedIn, view))
  })

  /** A proxy may lead `/` elsewhere. Where it does not, the redirect would have no end. */
  function isHere (url: string): boolean {
    const { pathname } = new URL(url)
    return isOwnOrigin(url) && pathname.replace(/\/$/, '') === fastify.prefix
  }

  /** Of the names of this machine, each may lead here. */
  function isOwnOrigin (url: string): boolean {
    const [own, other] = [new URL(config.PUBLIC_URL), new URL(url)]
    const isThisMachine = isLoopback(own.hostname) && isLoopback(other.hostname)
    return own.origin === other.origin || (isThisMachine && own.port === other.port)
  }
}

export default fp(home, {
  name: 'route:home', encapsulate: true, dependencies: ['config', 'pages', 'session', 'session-store', 'user-sessions']
})
