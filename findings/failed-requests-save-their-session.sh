#!/usr/bin/env bash
# A handler changes the session and then fails: the database of orders is away, the answer is 500. One expects that
# nothing was done. Both session plugins save the session while the error is sent, and set its cookie: whatever the
# handler put there before it failed (a user, a role, a step of a form) stands. Put such things there last.
#
# expected:
# @fastify/session: 500, saved: {"user":"alice"}, cookie set
# express-session: 500, saved: {"user":"alice"}, cookie set
# end
. "$(dirname "$0")/lib.sh"
install fastify@5.12.8 @fastify/cookie@11.1.5 @fastify/session@11.1.3 express@5.3.0 express-session@1.19.0
run <<'JS'
import cookie from '@fastify/cookie'
import fastifySession, { MemoryStore } from '@fastify/session'
import express from 'express'
import expressSession from 'express-session'
import Fastify from 'fastify'

const secret = 's'.repeat(32)
const fail = (request) => {
  request.session.user = 'alice'
  throw new Error('the database of orders is away')
}
const report = (name, status, sessions, setCookie) => {
  const saved = sessions.map(({ cookie, ...content }) => JSON.stringify(content)).join(' ') || 'nothing'
  console.log(`${name}: ${status}, saved: ${saved}, ${setCookie ? 'cookie set' : 'no cookie'}`)
}
const plain = (session) => typeof session === 'string' ? JSON.parse(session) : JSON.parse(JSON.stringify(session))

const stored = new Map()
const app = Fastify()
await app.register(cookie)
await app.register(fastifySession, {
  secret, saveUninitialized: false, cookie: { secure: false }, store: new MemoryStore(stored)
})
app.get('/', async (request) => fail(request))
const answer = await app.inject('/')
report('@fastify/session', answer.statusCode, [...stored.values()].map(plain), answer.headers['set-cookie'])
await app.close()

const store = new expressSession.MemoryStore()
const server = express()
  .use(expressSession({ secret, store, resave: false, saveUninitialized: false }))
  .get('/', (request) => fail(request))
  .use((_error, _request, response, _next) => { response.status(500).send('failed') })
  .listen(0, '127.0.0.1')
await new Promise((resolve) => { server.once('listening', resolve) })
const response = await fetch(`http://127.0.0.1:${server.address().port}/`)
report('express-session', response.status, Object.values(store.sessions).map(plain), response.headers.get('set-cookie'))
server.close()
JS
