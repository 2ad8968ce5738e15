import type { AssertedUser } from '../assertion/assertions.js'
import type { SessionData } from '../sessions/index.js'
import type { DeviceState } from '../device-bound/device-bound.js'
import { identityHeaders, type HeaderNames, type IdentityHeaders, type ToldSession } from './headers.js'

/** What `verify` needs of a session. Shared by requests. */
export interface SessionView {
  readonly user: Readonly<ToldSession['user']>
  readonly headers: IdentityHeaders
  /** What the assertion says of the user. */
  readonly asserted: AssertedUser
  readonly roles: readonly string[]
  /** When the user signed in, in seconds since 1970; undefined if the session does not say. */
  readonly authTime: number | undefined
  /** Undefined with `DEVICE_BOUND_SESSIONS=off`. */
  readonly device: DeviceState | undefined
}

/**
 * Makes the view of a session; undefined for one without a user, such as a login transaction.
 *
 * @param deviceOf reads what a session says of its device; undefined with `DEVICE_BOUND_SESSIONS=off`.
 */
export const sessionView = (names: HeaderNames, deviceOf?: (session: SessionData) => DeviceState) =>
  (session: SessionData): SessionView | undefined => {
    const { user, role, roles, authTime } = session
    const told = typeof user === 'object' && user !== null ? user as Record<string, unknown> : {}
    const { sub, email } = told
    if (typeof sub !== 'string' || sub === '') return undefined
    const known = Array.isArray(roles) ? roles.filter((name) => typeof name === 'string') : []
    const present = typeof role === 'string' ? role : ''
    const device = deviceOf?.(session)
    const isBound = device === undefined ? undefined : device.id !== undefined
    const signedInAt = typeof authTime === 'number' ? authTime : undefined
    return {
      user: { ...told, sub },
      headers: identityHeaders({ user: { ...told, sub }, role: present, roles: known }, names, isBound),
      asserted: {
        sub,
        email: typeof email === 'string' ? email : undefined,
        role: typeof role === 'string' ? role : undefined,
        roles: known,
        authTime: signedInAt,
        latest: undefined
      },
      roles: known,
      authTime: signedInAt,
      device
    }
  }
