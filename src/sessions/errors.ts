import { createError, type FastifyErrorConstructor } from '@fastify/error'

/** A value for the message's `%s`, if it has one, and a cause for the log. */
type Arguments<Message extends string> = Message extends `${string}%s${string}`
  ? [value: string | number, options?: { cause: unknown }]
  : [options?: { cause: unknown }]

/** The class of an error whose instances have this `code` and `statusCode`. */
export type ErrorClass<Code extends string, Status extends number, Message extends string> =
  FastifyErrorConstructor<{ code: Code, statusCode: Status }, Arguments<Message>>

/** Defines an error class. `message` may hold one `%s`. */
export function defineError<
  Code extends string, const Message extends string, Status extends number
> (code: Code, message: Message, statusCode: Status): ErrorClass<Code, Status, Message> {
  return createError<Code, Status, Arguments<Message>>(code, message, statusCode)
}

/**
 * PostgreSQL is unreachable, did not answer in time, or refused the statement. The cause is for the
 * log.
 */
export const ERR_DATABASE = defineError('ERR_DATABASE', 'The session database is unavailable', 503)

/** A session holds something that cannot be stored; `%s` says what. Raised before any SQL. */
export const ERR_SESSION_VALUE = defineError(
  'ERR_SESSION_VALUE', 'The session cannot be stored: %s', 500
)

/**
 * The cause of an ERR_DATABASE when the session table exists but cannot be used, as for the type of
 * a column, which the message names. Every call fails so until the table is changed.
 */
export class SessionTableError extends Error {
  override name = 'SessionTableError'
}

/** As a SessionTableError, for the table of events. The message has the SQL that is missing. */
export class EventTableError extends SessionTableError {
  override name = 'EventTableError'
}
