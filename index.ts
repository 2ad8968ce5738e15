/**
 * Sessions and sign-in through Amazon Cognito, as a Fastify plugin.
 *
 *     import auth from 'cashsouk-auth'
 *     await app.register(auth, { cognitoDomain, cognitoClientId, … })
 *
 * The application gets `request.session`, `request.user`, `request.accessToken()` and guards, in the scope where it
 * registers the plugin, and the routes of the sign-in below a prefix. Everything else is in a scope of its own.
 *
 * @see docs/plugin.md
 * @module
 */
import cookie from '@fastify/cookie'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest, Session } from 'fastify'
import fp from 'fastify-plugin'
import type { Pool } from 'pg'
import accessToken from './plugins/access-token.js'
import apiReference from './plugins/api-reference.js'
import assertions from './plugins/assertions.js'
import capacity from './plugins/capacity.js'
import audit from './plugins/audit.js'
import clientAddress from './plugins/client-address.js'
import cognito from './plugins/cognito.js'
import configuration from './plugins/config.js'
import cookies from './plugins/cookies.js'
import databaseHealth from './plugins/database-health.js'
import deviceBound from './plugins/device-bound.js'
import databaseWatch from './plugins/database-watch.js'
import draining from './plugins/draining.js'
import errors from './plugins/errors.js'
import guards from './plugins/guards.js'
import headers from './plugins/headers.js'
import hooks from './plugins/hooks.js'
import host, { decorateRequests, INSIDE, takenNames } from './plugins/host.js'
import logins from './plugins/logins.js'
import metrics, { type MetricsOptions } from './plugins/metrics.js'
import notFound from './plugins/not-found.js'
import origins from './plugins/origins.js'
import pages from './plugins/pages.js'
import postgres from './plugins/postgres.js'
import rateLimit from './plugins/rate-limit.js'
import requestLog from './plugins/request-log.js'
import schemas from './plugins/schemas.js'
import secretFiles from './plugins/secret-files.js'
import serializer from './plugins/serializer.js'
import session from './plugins/session.js'
import sessionChanges from './plugins/session-changes.js'
import sessionLibrary from './plugins/session-library.js'
import sessionStore from './plugins/session-store.js'
import sessionViewer from './plugins/session-viewer.js'
import storeMetrics from './plugins/store-metrics.js'
import storeTracing from './plugins/store-tracing.js'
import tokens from './plugins/tokens.js'
import tracing, { type TracingOptions } from './plugins/tracing.js'
import unreadBody from './plugins/unread-body.js'
import userSessions from './plugins/user-sessions.js'
import verifier from './plugins/verifier.js'
import account from './routes/api/auth/account.js'
import callback from './routes/api/auth/callback.js'
import cognitoEvents from './routes/api/auth/cognito-events.js'
import extend from './routes/api/auth/extend.js'
import login from './routes/api/auth/login.js'
import logout from './routes/api/auth/logout.js'
import me from './routes/api/auth/me.js'
import sessions from './routes/api/auth/sessions.js'
import sessionById from './routes/api/auth/sessions/id.js'
import verify from './routes/api/auth/verify.js'
import live from './routes/health/live.js'
import ready from './routes/health/ready.js'
import home from './routes/home.js'
import oauth2Proxy from './routes/oauth2.js'
import jwks from './routes/well-known/jwks.js'
import type * as generic from './src/auth-hooks.js'
import type { Config } from './src/config.js'
import { ERR_CONFIG } from './src/errors.js'
import { AUTH_PREFIX, OAUTH2_PREFIX } from './src/login/paths.js'
import type { OwnKey } from './src/login/step-up.js'
import { configOf, type Environment, type VariableOptions } from './src/options.js'

// With these, an application's types have `request.session` and `request.cookies`.
export type { CookieSerializeOptions } from '@fastify/cookie'
export type { FastifySessionObject } from '@fastify/session'
export type { Guard } from './plugins/guards.js'
export type { CashsoukAuth } from './plugins/host.js'
export type { MetricsOptions } from './plugins/metrics.js'
export type { LoginIdentity, LogoutIdentity } from './src/auth-hooks.js'
export type { Config } from './src/config.js'
export type { EndReason } from './src/end-reason.js'
export type { User } from './src/login/id-token.js'
export type { VariableOptions } from './src/options.js'

/** What an application may keep in a session. */
export type SessionContent = Omit<Partial<Session>, OwnKey>
export type AuthHooks = generic.AuthHooks<FastifyRequest, SessionContent>
export type LoginDecision = generic.LoginDecision<SessionContent>
export type SessionEvent = generic.SessionEvent<FastifyRequest>

/** What the plugin can be told. Each option that is not given is read from the environment, by its variable's name. */
export interface AuthOptions extends VariableOptions, Environment, AuthHooks {
  /**
   * Where the routes of the sign-in are, below the prefix of the scope. Default `/api/auth`. The callback URL to
   * register with Cognito is `PUBLIC_URL`, both prefixes and `/callback`. Fastify's own type of `register` allows no
   * `undefined` here.
   */
  prefix?: string
  /** The application's own pool of connections. It is never closed, and `DATABASE_URL` is not read. */
  pool?: Pool | undefined
  /** The application's own registry of prom-client, for the metrics of this package. See `METRICS_PORT` for a port. */
  metrics?: MetricsOptions | undefined
  /** Adds `GET /health`, `/health/live` and `/health/ready`. Default false. */
  health?: boolean | undefined
  /** Adds `GET /`: a page with a sign-in button for each role, or who is signed in. Default false. */
  home?: boolean | undefined
}

/** Around every response: of this package's routes in an application, of all routes in a server of its own. */
const AROUND = [databaseHealth, clientAddress, pages, errors, serializer, headers, unreadBody, draining]
const ROUTES = [login, callback, me, extend, logout, sessions, sessionById, account]
const OTHER_OPTIONS = ['env', 'prefix', 'pool', 'metrics', 'health', 'home', 'onLogin', 'onLogout', 'onSession']

/** Of the plugin that makes a server of its own. */
const STANDALONE = 'cashsouk-auth:standalone'

const auth: FastifyPluginAsync<AuthOptions> = async (fastify, options) => {
  const { pool, health = false, home: hasHome = false } = options
  const taken = takenNames(fastify)
  if (taken.length > 0) {
    throw new ERR_CONFIG(`${taken.join(', ')} is there already: register the plugin once, in a scope without it`)
  }
  const isStandalone = fastify.hasPlugin(STANDALONE)
  const config = isStandalone ? fastify.config : checked(fastify, options)
  if (!fastify.hasReplyDecorator('setCookie')) await fastify.register(cookie)

  let inner: FastifyInstance = fastify
  decorateRequests(fastify, () => inner)
  await fastify.register(async (scope) => {
    scope.decorate(INSIDE, true)
    if (!isStandalone) {
      await scope.register(configuration, { config })
      await scope.register(tracing)
      await scope.register(metrics, { metrics: options.metrics })
      await scope.register(schemas)
      for (const plugin of AROUND) await scope.register(plugin)
    }
    await scope.register(hooks, options)
    await scope.register(secretFiles)
    await scope.register(postgres, { pool })
    await scope.register(sessionStore)
    await scope.register(capacity)
    await scope.register(audit)
    await scope.register(deviceBound)
    await scope.register(storeMetrics)
    await scope.register(storeTracing)
    await scope.register(databaseWatch, { pool })
    await scope.register(sessionViewer)
    await scope.register(assertions)
    await scope.register(verifier)

    const prefix = config.prefix.slice(fastify.prefix.length)
    const devices = config.DEVICE_BOUND_SESSIONS === 'off' ? undefined : await deviceRoutes()
    // Proxies, upstreams and load balancers ask these, and often.
    await scope.register(async (machines) => {
      machines.decorate('hasNoSessions', true)
      await machines.register(async (bounded) => {
        bounded.capacity.limit(bounded)
        await bounded.register(verify, { prefix })
        await bounded.register(oauth2Proxy, { prefix: OAUTH2_PREFIX })
      })
      await machines.register(jwks, hasKeySet(fastify) ? { prefix } : {})
      if (config.COGNITO_EVENTS_SECRET.length > 0) {
        await machines.register(cognitoEvents, { prefix, tokens: () => inner.tokens })
      }
      if (devices !== undefined) {
        await machines.register(devices.register, { prefix })
        await machines.register(devices.refresh, { prefix })
      }
      if (!health) return
      await machines.register(live)
      await machines.register(ready)
    })

    await scope.register(async (browser) => {
      inner = browser
      await browser.register(origins)
      // After the headers with which a portal's script can read the refusal.
      browser.capacity.limit(browser)
      await browser.register(cookies)
      await browser.register(sessionLibrary)
      await browser.register(session, { looksFirst: isStandalone })
      await browser.register(sessionChanges, { reusesGuests: isStandalone })
      await browser.register(logins)
      await browser.register(cognito)
      await browser.register(tokens)
      await browser.register(userSessions)
      await browser.register(accessToken)
      await browser.register(guards)
      await browser.register(rateLimit)

      for (const route of ROUTES) await browser.register(route, { prefix })
      if (devices !== undefined) await browser.register(devices.page, { prefix })
      // An application may have a front page of its own.
      if (hasHome && !browser.hasRoute({ method: 'GET', url: `${fastify.prefix}/` })) await browser.register(home)
    })
  })
  // Last: in the scope of the package, sessions are loaded after its own hooks have had a look at the request.
  await fastify.register(host, { inner })
}

/** Loaded only where they are served. */
async function deviceRoutes () {
  const [{ default: page }, { default: register }, { default: refresh }] = await Promise.all([
    import('./routes/api/auth/device.js'),
    import('./routes/api/auth/device/register.js'),
    import('./routes/api/auth/device/refresh.js')
  ])
  return { page, register, refresh }
}

/** Whether the application has a key set of its own there, or that of another scope with this plugin. */
const hasKeySet = (fastify: FastifyInstance): boolean =>
  fastify.hasRoute({ method: 'GET', url: `${fastify.prefix}/.well-known/jwks.json` })

/** @throws {ERR_CONFIG} */
function checked (fastify: FastifyInstance, options: AuthOptions): Config {
  const { prefix = AUTH_PREFIX, pool } = options
  const problems = [
    ...wrongTypes(options),
    ...(isPath(prefix) ? [] : ['prefix must be a path without parameters and without a slash at its end']),
    ...(fastify.prefix === '' || isPath(fastify.prefix) ? [] : ['The prefix of the scope must be a plain path'])
  ]
  if (problems.length > 0) throw new ERR_CONFIG(problems.join('\n'))
  return configOf({ ...options }, {
    prefix: fastify.prefix + prefix, ownPool: pool !== undefined, others: OTHER_OPTIONS
  })
}

/** Segments of unreserved characters (RFC 3986 §2.3), none of them `.` or `..`. */
const isPath = (prefix: unknown): boolean =>
  typeof prefix === 'string' && /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._~-]+)+$/.test(prefix)

const isRegistry = (metrics: Partial<MetricsOptions> | null): boolean =>
  typeof (metrics?.register as Partial<MetricsOptions['register']> | undefined)?.registerMetric === 'function'

function wrongTypes ({ env, pool, metrics, health, home, onLogin, onLogout, onSession }: AuthOptions): string[] {
  const isWrong = (value: unknown, type: string) => value !== undefined && typeof value !== type
  return [
    ...(env === false || (!isWrong(env, 'object') && env !== null) ? [] : ['env must be an object, or false']),
    ...(pool === undefined || typeof (pool as Partial<Pool>)?.connect === 'function' ? [] : ['pool must be a pg.Pool']),
    ...(metrics === undefined || isRegistry(metrics)
      ? []
      : ['metrics must be { register }, a registry of prom-client']),
    ...Object.entries({ health, home })
      .filter(([, value]) => isWrong(value, 'boolean')).map(([name]) => `${name} must be true or false`),
    ...Object.entries({ onLogin, onLogout, onSession })
      .filter(([, value]) => isWrong(value, 'function')).map(([name]) => `${name} must be a function`)
  ]
}

/**
 * Makes the application a server of its own, registered before the plugin: its log, security headers, error format and
 * draining are also those of unknown routes and of the application's. `src/app.ts` uses it.
 *
 * @param options.config default: read from the environment.
 * @param options.instrumentation of requests, for traces.
 */
export const standalone = fp<{ config?: Config } & TracingOptions>(async (fastify, options) => {
  await fastify.register(configuration, options)
  // First, because their hooks are around every request.
  await fastify.register(tracing, options)
  await fastify.register(metrics)
  for (const plugin of [...AROUND, notFound, requestLog, apiReference]) await fastify.register(plugin)
}, { name: STANDALONE, fastify: '5.x' })

export default fp(auth, { name: 'cashsouk-auth', fastify: '5.x' })
