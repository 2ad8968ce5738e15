import { hash } from 'node:crypto'

/** A login that ended in a session: the hash of its state, and where it led. */
export interface CompletedLogin { state: string, returnTo: string }

/** A session keeps this many logins. */
const MAX_LOGINS = 10
/** Their return addresses have at most this many characters together, unless the last one alone is longer. */
const MAX_LENGTH = 2048

/** The logins that a session keeps once this one has ended in it: the last ones. */
export function addCompleted (
  earlier: readonly CompletedLogin[], { state, returnTo }: CompletedLogin
): CompletedLogin[] {
  const logins = [...earlier.slice(-MAX_LOGINS + 1), { state: digest(state), returnTo }]
  while (logins.length > 1 && lengthOf(logins) > MAX_LENGTH) logins.shift()
  return logins
}

/** Where the completed login of this state led. */
export function completedReturnTo (logins: readonly CompletedLogin[], state: string): string | undefined {
  const wanted = digest(state)
  return logins.find((login) => login.state === wanted)?.returnTo
}

const lengthOf = (logins: readonly CompletedLogin[]): number =>
  logins.reduce((length, { returnTo }) => length + returnTo.length, 0)

const digest = (state: string): string => hash('sha256', state, 'base64url')
