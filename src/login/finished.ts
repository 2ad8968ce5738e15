import { createHash } from 'node:crypto'

/** A login that ended in a session: the hash of its state, and where it led. */
export interface FinishedLogin { state: string, returnTo: string }

/** A session remembers so many logins. */
const MAX_LOGINS = 10
/** And at most so many characters of return addresses, unless the last one alone is longer. */
const MAX_LENGTH = 2048

/** The logins that a session remembers once this one has ended in it: the last ones. */
export function withFinished (earlier: readonly FinishedLogin[], { state, returnTo }: FinishedLogin): FinishedLogin[] {
  const logins = [...earlier.slice(-MAX_LOGINS + 1), { state: digest(state), returnTo }]
  while (logins.length > 1 && logins.reduce((length, login) => length + login.returnTo.length, 0) > MAX_LENGTH) logins.shift()
  return logins
}

/** Where the login of this state led. */
export function finishedReturnTo (logins: readonly FinishedLogin[], state: string): string | undefined {
  const hash = digest(state)
  return logins.find((login) => login.state === hash)?.returnTo
}

const digest = (state: string): string => createHash('sha256').update(state).digest('base64url')
