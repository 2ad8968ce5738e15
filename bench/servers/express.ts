/** Express with express-session. @see {@link https://github.com/expressjs/session#options} @module */
import type { AddressInfo } from 'node:net'
import express from 'express'
import session, { MemoryStore, type Store } from 'express-session'
import { answer, bodyOf, SECRET, signed, TTL_S, type Workload } from '../sample.js'
import { requiredEnv, serve, type SessionStore } from './serve.js'
import { createStore, type StoreName } from './stores.js'

const workload = requiredEnv('WORKLOAD') as Workload
const name = requiredEnv('STORE') as StoreName
const { store: built, filler, prune } = await createStore(name, workload)
const store = name === 'memory' ? new MemoryStore() as unknown as SessionStore : built

const app = express()
app.disable('x-powered-by')
app.set('etag', false)
if (store !== undefined) {
  app.use(session({
    store: store as unknown as Store,
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    rolling: workload === 'rolling',
    cookie: { maxAge: TTL_S * 1000, sameSite: 'lax' }
  }))
  app.get('/', (request, response) => {
    const found = answer(workload, request.session)
    if (found === undefined) response.status(401)
    response.json(found ?? {})
  })
} else {
  app.get('/', (_request, response) => { response.json(bodyOf(0)) })
}

const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  serve({ port, store, filler, prune, cookie: (id) => `connect.sid=${encodeURIComponent(`s:${signed(id)}`)}` })
})
