import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** The header of an API destination's connection, unless that is `Authorization` with the scheme Bearer. */
export const SECRET_HEADER = 'x-cashsouk-events-secret'

/** Whether a request brings one of the secrets. The time that it takes tells nothing of them. */
export function bringsSecret (headers: IncomingHttpHeaders, secrets: readonly string[]): boolean {
  const { authorization = '', [SECRET_HEADER]: own = '' } = headers
  const given = digest(typeof own === 'string' && own !== '' ? own : authorization.replace(/^bearer /i, ''))
  return secrets.map((secret) => timingSafeEqual(given, digest(secret))).includes(true)
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
