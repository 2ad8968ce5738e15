import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { REGISTRATION_S } from '../../../src/device-bound/index.js'
import { ERR_DATABASE, ERR_VALIDATION } from '../../../src/errors.js'
import { devicePageUrl, signOutUrl } from '../../../src/login/paths.js'
import { loginUrl } from '../../../src/login/recovery.js'
import { safeReturnTo } from '../../../src/login/return-to.js'
import { devicePage } from '../../../src/pages/device-page.js'
import { pageResponse, redirectResponse } from '../../../src/schemas/page.js'
import { pageRefusals } from '../../../src/schemas/refusals.js'
import { BY_ANYONE } from '../../../src/schemas/security.js'

const Device = {
  operationId: 'getDevicePage',
  summary: 'The page that waits for a browser to show its device',
  description: 'Loads itself until the session is bound to its device, and then leads to `returnTo`.',
  tags: ['pages'],
  security: BY_ANYONE,
  querystring: {
    type: 'object',
    properties: {
      returnTo: { type: 'string', maxLength: 2048, description: 'Where it leads; default `/`.' },
      again: { type: 'string', enum: ['', '1'], description: 'Set where the page has loaded itself.' }
    }
  },
  response: {
    200: pageResponse('The page.'),
    303: redirectResponse('To `returnTo`; a guest to the login.'),
    ...pageRefusals(ERR_VALIDATION, ERR_DATABASE)
  }
} as const

/**
 * `GET /api/auth/device`: leads to `returnTo` once the request's browser has shown the device of its session. Loaded
 * once more by itself: the first request of a page of this origin makes browsers renew their cookie.
 *
 * A session that has to be bound has 30 s from its sign-in. After that the page says which browsers can do it.
 *
 * @throws {ERR_VALIDATION} 400
 * @throws {ERR_DATABASE} 503
 */
const device: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, sessionStore: store } = fastify
  const { prefix } = config

  fastify.get('/device', { schema: Device, config: { page: true } }, async (request, reply) => {
    const { withoutDevice = null, session, query: { again = '' } } = request
    const returnTo = checked(request.query.returnTo)
    if (withoutDevice === null) {
      const isGuest = session.user === undefined
      return reply.redirect(isGuest ? loginUrl({ returnTo }, { prefix }) : returnTo, 303)
    }
    const { isUnbound } = withoutDevice
    const goesOn = isUnbound ? ageS(withoutDevice.session) <= REGISTRATION_S : again === ''
    return reply.sendPage((view) => devicePage({
      isUnbound,
      reloadUrl: goesOn ? `${devicePageUrl(returnTo, prefix)}&again=1` : undefined,
      loginUrl: loginUrl({ ...roleOf(withoutDevice.session), returnTo }, { prefix }),
      signOutUrl: signOutUrl(undefined, prefix)
    }, view))
  })

  const roleOf = ({ role = '' }: { role?: string }): { requestedRole?: string } =>
    config.ROLES.includes(role) ? { requestedRole: role } : {}

  const checked = (returnTo = ''): string =>
    safeReturnTo(returnTo, config.PUBLIC_URL, config.RETURN_ORIGINS, prefix) ?? '/'

  function ageS (session: object): number {
    const now = store.databaseNow(session)
    const createdAt = store.createdAt(session)
    return now === undefined || createdAt === undefined ? Infinity : (now - createdAt) / 1000
  }
}

export default fp(device, {
  name: 'route:device', encapsulate: true, dependencies: ['config', 'device-bound', 'pages', 'session', 'session-store']
})
