/** Names of the contestants in tables and targets. @module */

/** The contestant that every run includes, and that the ratios of the store workloads refer to. */
export const REFERENCE = 'express-session + connect-pg-simple'
export const FASTIFY_PG = '@fastify/session + connect-pg-simple'
export const FASTIFY_REDIS = '@fastify/session + connect-redis'
export const FASTIFY_MEMORY = '@fastify/session in memory'
export const THIS_STORE = '@fastify/session + this store'
export const THIS_SERVER = 'this server'
/** A sign-in without this server. */
export const OTHER_SERVER = 'express-session + openid-client + connect-pg-simple'

const BASELINE_SUFFIX = ' (baseline)'

/** The same contestant in the build that `--baseline` names. */
export const ofBaseline = (name: string): string => `${name}${BASELINE_SUFFIX}`

export const isBaseline = (name: string): boolean => name.includes(BASELINE_SUFFIX)
