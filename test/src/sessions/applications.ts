/**
 * A small application on each session library, for tests that must hold under both.
 *
 * @module
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import express from 'express'
import expressSession, { type CookieOptions } from 'express-session'
import Fastify from 'fastify'
import type { Test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/store.js'

export const LIBRARIES = ['express-session', '@fastify/session'] as const
export type Library = typeof LIBRARIES[number]

/** A session as handlers see it, whichever library made it. */
export type Session = Record<string, unknown> & { cookie: Record<string, unknown> }

/** `request.session` can be read and replaced. What it returns is the answer. */
export type Handler = (request: { session: Session }) => unknown

export interface Visitor {
  /** The answer to `GET path`. The visitor keeps the cookie. */
  get: (path: string) => Promise<{ status: number, body: unknown }>
}

export interface Application {
  visitor: () => Visitor
}

const SECRET = 's'.repeat(32)

/** An application with one route for each handler. */
export async function application (
  t: Test,
  library: Library,
  store: PgSessionStore,
  handlers: Record<string, Handler>,
  cookieOptions: Partial<CookieOptions> = { maxAge: 900_000 }
): Promise<Application> {
  const url = library === 'express-session'
    ? await expressApplication(t, store, handlers, cookieOptions)
    : await fastifyApplication(t, store, handlers, cookieOptions)
  return { visitor: () => visitor(url) }
}

async function expressApplication (
  t: Test, store: PgSessionStore, handlers: Record<string, Handler>, cookieOptions: Partial<CookieOptions>
): Promise<string> {
  const app = express()
  app.use(expressSession({
    store, secret: SECRET, resave: false, saveUninitialized: false, cookie: cookieOptions as CookieOptions
  }))
  for (const [path, handler] of Object.entries(handlers)) {
    app.get(path, async (request, response) => {
      response.json(await handler(request as never) ?? null)
    })
  }
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function fastifyApplication (
  t: Test, store: PgSessionStore, handlers: Record<string, Handler>, cookieOptions: Partial<CookieOptions>
): Promise<string> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(cookie)
  await app.register(fastifySession, {
    store,
    secret: SECRET,
    saveUninitialized: false,
    rolling: false,
    cookie: { ...cookieOptions, secure: false } as never
  })
  for (const [path, handler] of Object.entries(handlers)) {
    app.get(path, async (request) => await handler(request as never) ?? null)
  }
  t.teardown(() => app.close())
  return app.listen({ host: '127.0.0.1', port: 0 })
}

function visitor (url: string): Visitor {
  let cookie = ''
  return {
    async get (path) {
      const response = await fetch(url + path, {
        headers: { connection: 'close', ...(cookie === '' ? {} : { cookie }) }
      })
      const [set] = response.headers.getSetCookie()
      if (set !== undefined) cookie = set.split(';')[0] ?? ''
      return { status: response.status, body: await response.json() }
    }
  }
}
