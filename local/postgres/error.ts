/** What a developer is told when the local PostgreSQL cannot be used: one line that says what to do. */
export class LocalPostgresError extends Error {
  override name = 'LocalPostgresError'

  constructor (message: string, options?: ErrorOptions) {
    super(oneLine(message), options)
  }
}

/** The way out that always exists; messages end with it. */
export const OR_YOUR_OWN = 'or set DATABASE_URL to a PostgreSQL of your own'

/** The lines of `text` that say something, as one; the last `count` of them when there are more. */
export function oneLine (text: string, count = Infinity): string {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean)
  return lines.slice(-count).join(' | ')
}

/** Any failure as a line for a person, with the failure itself as the cause. */
export function explained (dataDir: string, cause: unknown): LocalPostgresError {
  if (cause instanceof LocalPostgresError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
    ? new LocalPostgresError(`Local PostgreSQL may not use ${dataDir}, which belongs to another user (${message}): ` +
      `run as that user, take it over with chown -R, remove it, ${OR_YOUR_OWN}`, { cause })
    : new LocalPostgresError(`Local PostgreSQL in ${dataDir} failed (${message}): ` +
      `see postgres.log there and try again, ${OR_YOUR_OWN}`, { cause })
}
