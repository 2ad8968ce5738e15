import type { AuthError } from './types.js'

/** The limit of a request. */
const TIMEOUT_MS = 10_000

/** The body of an answer; empty where it is no JSON object. */
export type Body = Record<string, unknown>

/** @throws {AuthError} NO_ANSWER */
export async function request (url: string, method: string): Promise<Body> {
  try {
    return await bodyOf(await fetch(url, {
      method,
      credentials: 'include',
      cache: 'no-store',
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS)
    }))
  } catch {
    throw authError({ code: 'NO_ANSWER' })
  }
}

export const bodyOf = (response: Response): Promise<Body> =>
  response.json().then(Object, () => ({})) as Promise<Body>

/** @param body of the server's error. */
export const authError = (body: Body): AuthError =>
  Object.assign(new Error(body.code as string), { code: 'BAD_ANSWER' }, body)
