/**
 * One application under each session library.
 *
 * @module
 */
import cookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import express, { type Request } from 'express'
import expressSession from 'express-session'
import Fastify from 'fastify'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import { serve } from '../../support/agent.js'

/** What the sessions of both libraries have. */
export interface WebSession {
  cookie: Record<string, unknown>
  save (callback: (error?: unknown) => void): unknown
  reload (callback: (error?: unknown) => void): unknown
  regenerate (callback: (error?: unknown) => void): unknown
  destroy (callback: (error?: unknown) => void): unknown
  [key: string]: unknown
}

export interface WebRequest { session: WebSession }

/** Answers with its result as JSON. */
export type Handler = (request: WebRequest) => unknown

export interface Application {
  store: PgSessionStore
  /** By path. */
  handlers: Record<string, Handler>
  /** The options of the cookie; default: a lifetime of 15 minutes. */
  cookie?: Record<string, unknown>
  rolling?: boolean
}

const SECRET = 's'.repeat(32)
const DEFAULT_COOKIE = { maxAge: 900_000 }

async function overExpress (
  t: Test, { store, handlers, cookie: options = DEFAULT_COOKIE, rolling = false }: Application
): Promise<string> {
  const app = express()
  app.set('env', 'test') // logs no errors
  app.use(expressSession({
    store, secret: SECRET, name: 'sid', resave: false, saveUninitialized: false, rolling,
    cookie: options
  }))
  for (const [path, handler] of Object.entries(handlers)) {
    app.get(path, async (request: Request, response) => {
      response.json(await handler(request as unknown as WebRequest) ?? {})
    })
  }
  return serve(t, app)
}

async function overFastify (
  t: Test, { store, handlers, cookie: options = DEFAULT_COOKIE, rolling = false }: Application
): Promise<string> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(fastifySession, {
    store, secret: SECRET, cookieName: 'sid', saveUninitialized: false, rolling,
    cookie: { secure: false, ...options }
  })
  for (const [path, handler] of Object.entries(handlers)) {
    app.get(path, async (request) => await handler(request as unknown as WebRequest) ?? {})
  }
  await app.ready()
  return serve(t, (request, response) => { app.routing(request, response) })
}

/** Each serves the application until the end of the test, and returns its URL. */
export const libraries = { 'express-session': overExpress, '@fastify/session': overFastify }

/** Calls a method of a session that takes a callback. */
export const call = async (
  { session }: WebRequest, method: 'save' | 'reload' | 'regenerate' | 'destroy'
): Promise<void> => promisify<void>((callback) => { session[method](callback) })()
