import type { FastifyPluginAsync } from 'fastify'
import { isRecent } from '../../src/login/step-up.js'

export const sketch: FastifyPluginAsync = async (fastify) => {
  fastify.get('/api/auth/verify', async (request, reply) => {
    const { role, max_age: maxAge, slide } = request.query as Record<string, string>
    request.keepsExpiry = slide !== 'true'
    const { headers: h, session: s } = request
    if (h['content-length'] !== undefined || h['transfer-encoding'] !== undefined) reply.header('connection', 'close')
    const back = `${h['x-forwarded-proto']}://${h['x-forwarded-host']}${h['x-forwarded-uri']}`
    reply.header('x-auth-login', `${fastify.config.PUBLIC_URL}/api/auth/login?returnTo=${encodeURIComponent(back)}` +
      (maxAge === undefined ? '' : `&max_age=${maxAge}`))
    if (s.user === undefined) return reply.code(401).send()
    if (role !== undefined && s.roles?.includes(role) !== true) return reply.code(403).send()
    if (maxAge !== undefined && !isRecent(s.authTime, Number(maxAge), Date.now())) return reply.code(401).send()
    reply.headers({
      'x-auth-user': s.user.sub, 'x-auth-email': (s.user as { email?: string }).email ?? '', 'x-auth-role': s.role ?? '',
      'x-auth-roles': s.roles?.join(',') ?? '', 'x-auth-session': 'public', 'x-auth-assertion': ''
    })
    return reply.send()
  })
}
