/**
 * A small application with sessions and sign-in inside: two guarded routes, which send a guest who opens them to the
 * sign-in, and an account that the application decides about itself.
 *
 * @module
 */
import auth from 'cashsouk-auth'
import Fastify from 'fastify'

const app = Fastify({ logger: { level: process.env.LOG_LEVEL ?? 'info' } })

await app.register(auth, {
  home: true,
  onLogin: async ({ user }) => {
    if (user.email?.endsWith('@blocked.example')) return { refuse: 'Accounts of this company are closed.' }
    return { session: { visits: 0 } }
  }
})

// A guest who opens a page is sent to the sign-in and comes back. A script, or a form that is sent, gets the 401.
app.setErrorHandler((error, request, reply) => {
  const { accept = '', 'sec-fetch-mode': mode = 'navigate' } = request.headers
  const isNavigation = request.method === 'GET' && mode === 'navigate' && accept.includes('text/html')
  if (error.code !== 'ERR_UNAUTHENTICATED' || !isNavigation) return reply.send(error)
  const query = new URLSearchParams({ returnTo: request.originalUrl })
  return reply.redirect(`${app.cashsoukAuth.config.prefix}/login?${query}`)
})

// Anyone who is signed in.
app.get('/portfolio', { preHandler: app.requireSession }, async ({ user, session }) => {
  session.visits += 1
  return { name: user.name, visits: session.visits }
})

// Those who have the role, whichever one they asked for.
app.get('/back-office', { preHandler: app.requireRole('ADMIN') }, async ({ user }) => ({ staff: user.name }))

await app.listen({ port: Number(process.env.PORT ?? 3000) })
