import createError from '@fastify/error'

type Caused = [{ cause: unknown }?]

/** PostgreSQL did not answer in time, is away, or refused the statement. The cause is for the log. */
export const ERR_DATABASE = createError<Caused>('ERR_DATABASE', 'The session database is unavailable', 503)

/** A session holds something that cannot be stored; `%s` says what. Raised before any SQL. */
export const ERR_SESSION_VALUE = createError<[reason: string, ...Caused]>('ERR_SESSION_VALUE', 'The session cannot be stored: %s', 500)
