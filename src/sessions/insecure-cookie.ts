/** The parts of express-session's request that tell whether it came over TLS. */
interface ExpressRequest {
  /** By Express, which may trust a proxy. */
  secure?: boolean
  socket?: { encrypted?: boolean }
  headers?: Record<string, string | string[] | undefined>
}

interface Session { cookie: { secure?: unknown } | undefined, req: ExpressRequest | undefined }

export const INSECURE_COOKIE =
  'A session was stored whose cookie is secure, but the connection is not: the browser does not get the cookie. ' +
  'Without TLS in development, set cookie.secure to false. Behind a proxy that ends TLS, set Express\'s trust proxy'

/**
 * Whether express-session is not going to set the cookie of this session, because it is `secure`
 * and the connection is not. @fastify/session does not store such a session at all.
 */
export function hasInsecureCookie (session: object): boolean {
  const { cookie, req } = (session as Partial<Session> | null) ?? {} // null is refused later
  if (cookie?.secure !== true || req?.headers === undefined) return false
  const isForwarded = String(req.headers['x-forwarded-proto'] ?? '').startsWith('https')
  return req.secure !== true && req.socket?.encrypted !== true && !isForwarded
}
