import express from 'express'
import session from 'express-session'
import pg from 'pg'
import { PgSessionStore, type LoadedSession, type PgSessionStoreOptions } from 'cashsouk-auth/session-store'

declare module 'express-session' {
  interface SessionData { views: number, user: { sub: string } }
}

const options: PgSessionStoreOptions = { pool: new pg.Pool(), ttl: 900 }
const store: session.Store = new PgSessionStore(options)
const own = new PgSessionStore({ conObject: { host: '127.0.0.1', max: 2 } })
// What may be missing, as of process.env, is undefined.
const unset: string | undefined = Math.random() > 1 ? 'postgresql://127.0.0.1/app' : undefined
const open = new PgSessionStore({ pool: undefined, conString: unset, conObject: undefined, ttl: undefined })
const app = express()
app.use(session({ store: own, secret: 'secret', resave: false, saveUninitialized: false }))
app.get('/', (request, response) => {
  request.session.views = (request.session.views ?? 0) + 1
  store.get(request.sessionID, (_error, stored) => { response.json(stored?.views.toFixed()) })
})

// By itself, the store gives what it knows of any session.
own.get('id', (_error, stored) => {
  const known: LoadedSession | null | undefined = stored
  // @ts-expect-error: `views` may be anything.
  stored?.views.toFixed()
  return known
})
own.all((_error, sessions) => sessions?.map((stored) => stored.cookie))
open.on('warning', (message: string) => message.trim())
own.on('warning', (message: string) => message.trim())
