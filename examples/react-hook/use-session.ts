import { createClient, type AuthClient } from 'cashsouk-auth/client'
import { useEffect, useSyncExternalStore } from 'react'

/** The origin of the sign-in server: PUBLIC_URL. */
const SERVER = 'http://localhost:3000'

export const auth: AuthClient = createClient({ baseUrl: SERVER })

/** Who is signed in, and for how long: the component is rendered again when that changes. */
export function useSession () {
  const state = useSyncExternalStore(auth.subscribe, () => auth.state, () => auth.state)
  const secondsLeft = useSyncExternalStore(auth.subscribe, auth.secondsLeft, () => 0)
  useEffect(() => auth.watch(), [])
  return {
    status: state.status,
    session: 'session' in state ? state.session : undefined,
    reason: 'reason' in state ? state.reason : undefined,
    isWarned: 'isWarned' in state && state.isWarned,
    secondsLeft
  }
}
