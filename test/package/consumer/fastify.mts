import cookie, { Signer } from '@fastify/cookie'
import session, { type SessionStore } from '@fastify/session'
import Fastify from 'fastify'
import { PgSessionStore, rememberingSigner } from 'cashsouk-auth/session-store'

declare module 'fastify' {
  interface Session { views: number, user: { sub: string } }
}

const store: SessionStore = new PgSessionStore({ conString: 'postgresql://127.0.0.1/app', hashIds: false })
const own = new PgSessionStore({ conString: 'postgresql://127.0.0.1/app' })
const app = Fastify()
void app.register(cookie)
void app.register(session, { store, secret: rememberingSigner(new Signer('s'.repeat(32))) })
void app.register(session, { store: own, secret: 's'.repeat(32) })
app.get('/', async (request) => request.session.views.toFixed() + request.session.user.sub)
