/**
 * A small application with sessions and sign-in inside: two guarded routes, and an account that the application
 * decides about itself.
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

// Anyone who is signed in.
app.get('/portfolio', { preHandler: app.requireSession }, async ({ user, session }) => {
  session.visits += 1
  return { name: user.name, visits: session.visits }
})

// Those who have the role, whichever one they asked for.
app.get('/back-office', { preHandler: app.requireRole('ADMIN') }, async ({ user }) => ({ staff: user.name }))

await app.listen({ port: Number(process.env.PORT ?? 3000) })
