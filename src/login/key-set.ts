import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT } from '../errors.js'

/** The pool's answer must have begun and ended by then, in milliseconds. */
const TIMEOUT_MS = 4000
/** The longest key set that is read, in bytes. Cognito's has two keys, under 1 KiB. */
const MAX_BYTES = 64 * 1024
/** An unknown `kid` has the keys fetched at most this often: a rotation is seen at once, a flood asks once a second. */
const COOLDOWN_MS = 1000
/** Known keys are fetched anew after this time, in the background: nobody waits for it. */
const MAX_AGE_MS = 10 * 60_000
/** Where that failed, it is tried again after this time. */
const RETRY_MS = 10_000

/**
 * The keys of a user pool, at `issuer/.well-known/jwks.json`: fetched when first needed, bounded in time
 * and size. Once known they are used at once, beyond their age, too; only a key that is not among them is
 * waited for. So a pool whose keys cannot be reached delays and loses no login that known keys can serve.
 *
 * The function throws ERR_COGNITO_TIMEOUT or ERR_COGNITO_ANSWER when a needed key cannot be fetched.
 */
export function createKeySet (issuer: string): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
    // Its own rules would wait for a refetch, and forget how the last one failed: when to fetch is decided here.
    timeoutDuration: TIMEOUT_MS, cacheMaxAge: Infinity, cooldownDuration: Infinity, [customFetch]: fetchBounded
  })
  let triedAt = -Infinity
  let fetchedAt = -Infinity
  let failure: Error | undefined

  /** Calls while one is under way share it. */
  const fetchKeys = async (): Promise<void> => {
    if (!remote.reloading) triedAt = Date.now()
    try {
      await remote.reload()
      fetchedAt = Date.now()
      failure = undefined
    } catch (error) {
      failure = error as Error
      throw error
    }
  }

  return async (header, token) => {
    if (remote.jwks() === undefined) await fetchKeys()
    else if (Date.now() - fetchedAt >= MAX_AGE_MS && Date.now() - triedAt >= RETRY_MS) fetchKeys().catch(() => {})
    try {
      return await remote(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      if (remote.reloading || Date.now() - triedAt >= COOLDOWN_MS) await fetchKeys()
      // Whether the pool has such a key is not known: that is not the token's fault.
      else if (failure !== undefined) throw failure
      return await remote(header, token)
    }
  }
}

async function fetchBounded (url: string, init: { headers: Headers, method: 'GET', redirect: 'manual', signal: AbortSignal }): Promise<Response> {
  try {
    const response = await fetch(url, init)
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new ERR_COGNITO_ANSWER({ cause: new Error(`key set: status ${response.status}`) })
    }
    const text = await readBounded(response)
    return new Response(text, { status: 200 })
  } catch (error) {
    if (error instanceof ERR_COGNITO_ANSWER) throw error
    const { message, cause } = error as Error
    throw new ERR_COGNITO_TIMEOUT({ cause: new Error(`key set: ${cause instanceof Error ? cause.message : message}`) })
  }
}

/** The body, which must be a key set. */
async function readBounded (response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).byteLength
    if (bytes > MAX_BYTES) throw new ERR_COGNITO_ANSWER({ cause: new Error(`key set: longer than ${MAX_BYTES} bytes`) })
    text += decoder.decode(chunk as Uint8Array, { stream: true })
  }
  if (!isKeySet(text)) throw new ERR_COGNITO_ANSWER({ cause: new Error('key set: not a JSON Web Key Set') })
  return text
}

/** RFC 7517 §5. */
function isKeySet (text: string): boolean {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown }
    return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)
  } catch {
    return false
  }
}
