import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import express from 'express'
import expressSession from 'express-session'
import { test, type Test } from 'tap'
import { INSECURE_COOKIE } from '../../../src/sessions/insecure-cookie.js'
import { schema, sessions } from './harness.js'

/** Two requests of new visitors to an Express application. Returns the cookies and what the store logged. */
async function visit (t: Test, secure: boolean, { headers = {}, trust = false } = {}) {
  const { store, logged } = sessions(t, { conString: (await schema(t)).url })
  const app = express().set('trust proxy', trust)
  app.use(expressSession({
    store, secret: 's', resave: false, saveUninitialized: false, cookie: { secure, maxAge: 60_000 }
  }))
  app.get('/', ({ session }, response) => {
    Object.assign(session, { views: 1 })
    response.end()
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const cookies = []
  for (let i = 0; i < 2; i++) {
    const response = await fetch(url, { headers: { ...headers, connection: 'close' } })
    cookies.push(...response.headers.getSetCookie())
  }
  return { cookies, logged: logged.map(({ message }) => message) }
}

test('a secure cookie over plain http is logged once', async (t) => {
  t.same(await visit(t, true), { cookies: [], logged: [INSECURE_COOKIE] })
})

test('a session that is null fails with ERR_SESSION_VALUE', async (t) => {
  const { set } = sessions(t, { conString: (await schema(t)).url })
  await t.rejects(set('id', null as never), { code: 'ERR_SESSION_VALUE' })
})

test('an error of errorLog in the warning reaches the caller once', async (t) => {
  const { set } = sessions(t, {
    conString: (await schema(t)).url, errorLog: () => { throw new Error('log error') }
  })
  const cookie = { secure: true, originalMaxAge: null }
  await t.rejects(set('id', { cookie, req: { headers: {} } }), { message: 'log error' })
})

test('no log line for a cookie that is set', async (t) => {
  const plain = await visit(t, false)
  t.same([plain.cookies.length, plain.logged], [2, []])
  const proxied = await visit(t, true, { headers: { 'x-forwarded-proto': 'https' }, trust: true })
  t.same([proxied.cookies.length, proxied.logged], [2, []])
})
