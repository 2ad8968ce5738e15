/** The local PostgreSQL cannot be used. The message is one line that says what to do. */
export class LocalPostgresError extends Error {
  override name = 'LocalPostgresError'

  constructor (message: string, options?: ErrorOptions) {
    super(oneLine(message), options)
  }
}

/** Ends every message, because this always works. */
export const OR_YOUR_OWN = 'or set DATABASE_URL to a PostgreSQL of your own'

/** Joins the lines of `text` that are not blank; only the last `count` of them if there are more. */
export function oneLine (text: string, count = Infinity): string {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean)
  return lines.slice(-count).join(' | ')
}

/** Turns any failure into a message for the developer, with the failure as its cause. */
export function explained (dataDir: string, cause: unknown): LocalPostgresError {
  if (cause instanceof LocalPostgresError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') {
    return new LocalPostgresError(`The local PostgreSQL may not use ${dataDir}, ` +
      `which belongs to another user (${message}): ` +
      `run as that user, take it over with chown -R, delete it, ${OR_YOUR_OWN}`, { cause })
  }
  return new LocalPostgresError(`The local PostgreSQL in ${dataDir} failed (${message}): ` +
    `see postgres.log there and try again, ${OR_YOUR_OWN}`, { cause })
}
