/**
 * A small application whose sessions are bound to the device on which they began.
 *
 * @module
 */
import { subscribe } from 'node:diagnostics_channel'
import auth from 'cashsouk-auth'
import Fastify from 'fastify'

const app = Fastify({ logger: { level: process.env.LOG_LEVEL ?? 'info' } })

await app.register(auth, { home: true, deviceBoundSessions: 'required:ADMIN' })

// Someone has a cookie and not its device.
subscribe('cashsouk-auth:device', ({ outcome, sub, ip }) => {
  if (outcome === 'copied') app.log.warn({ sub, ip }, 'A session cookie was copied')
})

// Without the device, a guard refuses with 401 and the reason `device`. A page then waits for the browser to show it.
app.setErrorHandler((error, { headers, url }, reply) => {
  if (error.reason !== 'device' || !headers.accept?.includes('text/html')) throw error
  return reply.redirect(`/api/auth/device?${new URLSearchParams({ returnTo: url })}`)
})

app.get('/portfolio', { preHandler: app.requireSession }, async ({ user }) => ({ name: user.name }))

app.get('/back-office', { preHandler: app.requireRole('ADMIN') }, async ({ user }) => ({ staff: user.name }))

await app.listen({ port: Number(process.env.PORT ?? 3000) })
