/** What a session keeps of the browser that signed in. */
export interface SessionClient {
  userAgent?: string
  ip?: string
}

/** Most browsers send 80 to 150 characters. */
const MAX_USER_AGENT = 256
/** The longest text of an IPv6 address, with a zone. */
const MAX_IP = 64

/**
 * Written once, at sign-in: a session is not written again because its browser was updated or has moved.
 *
 * @param ip undefined or empty when the connection has been closed.
 */
export function sessionClient (userAgent: string | undefined, ip: string | undefined): SessionClient {
  return {
    ...(userAgent === undefined || userAgent === '' ? {} : { userAgent: userAgent.slice(0, MAX_USER_AGENT) }),
    ...(ip === undefined || ip === '' ? {} : { ip: ip.slice(0, MAX_IP) })
  }
}

/** The client in a session as a row holds it. */
export function clientOf (session: Record<string, unknown>): SessionClient {
  const { client } = session
  if (typeof client !== 'object' || client === null) return {}
  const { userAgent, ip } = client as Partial<Record<keyof SessionClient, unknown>>
  return {
    ...(typeof userAgent === 'string' ? { userAgent } : {}),
    ...(typeof ip === 'string' ? { ip } : {})
  }
}
