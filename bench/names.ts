/** Names of the contestants in tables and targets. @module */

/** The contestant that every run includes, and that the ratios of the store workloads refer to. */
export const REFERENCE = 'express-session + connect-pg-simple'
export const FASTIFY_PG = '@fastify/session + connect-pg-simple'
/** Redis without persistence. */
export const FASTIFY_REDIS = '@fastify/session + connect-redis'
/** Redis that has written a change to disk before it answers, as PostgreSQL does. */
export const FASTIFY_DURABLE_REDIS = '@fastify/session + connect-redis, appendfsync always'
export const FASTIFY_MEMORY = '@fastify/session in memory'
/** With no option besides the pool and the lifetime. */
export const THIS_STORE = '@fastify/session + this store'
export const THIS_STORE_AT_BEST = '@fastify/session + this store, best settings'
export const THIS_SERVER = 'this server'
export const SERVER_WITH_METRICS = 'this server, metrics and audit'
/** It offers to bind sessions; no browser of the benchmark takes part. */
export const SERVER_WITH_DEVICES = 'this server, DEVICE_BOUND_SESSIONS=on'
/** Beside `verify` of the same server. */
export const ME_OF_THIS_SERVER = 'this server, GET /api/auth/me'
/** A sign-in without this server. */
export const OTHER_SERVER = 'express-session + openid-client + connect-pg-simple'
export const COOKIE_SERVER = 'express-openid-connect, session in the cookie'
export const OTHER_MIDDLEWARE = 'express-openid-connect + connect-pg-simple'

const CACHED_SUFFIX = ', signatures cached'

/** The same contestant with `rememberingSigner`, which works with every store. */
export const withCachedSignatures = (name: string): string => `${name}${CACHED_SUFFIX}`

export const hasCachedSignatures = (name: string): boolean => name.endsWith(CACHED_SUFFIX)

const BASELINE_SUFFIX = ' (baseline)'

/** The same contestant with the store, or as the server, of the build that `--baseline` names. */
export const ofBaseline = (name: string): string => `${name}${BASELINE_SUFFIX}`

export const isBaseline = (name: string): boolean => name.includes(BASELINE_SUFFIX)
