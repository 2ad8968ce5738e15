import type { RdsTokens } from './rds/tokens.js'
import type { ConnectionSource } from './sessions/index.js'

/** A connection string that does not change. */
export function fixedLogin (connectionString: string): ConnectionSource {
  const strings = [connectionString]
  return { strings: () => strings }
}

/** The same database, with a token in place of a password. A refused token is not used again. */
export const withTokens = (source: ConnectionSource, tokens: RdsTokens): ConnectionSource => ({
  ...source,
  password: (server) => tokens.of(server),
  async refresh () {
    tokens.forget()
    await source.refresh?.()
    return true
  }
})

/**
 * The connection strings for a database whose user name and password may change: the present one, and the one before
 * it, because the file and the role are not changed at the same moment.
 *
 * @param current the present connection string.
 * @param look reads it again.
 */
export function changingLogin (current: () => string, look: () => Promise<void>): ConnectionSource {
  let strings: readonly string[] = [current()]
  const read = (): readonly string[] => {
    const [known = ''] = strings
    const now = current()
    if (now !== known) strings = [now, known]
    return strings
  }
  return {
    strings: read,
    async refresh () {
      const before = read()
      await look()
      return read() !== before
    }
  }
}
