import { setTimeout as sleep } from 'node:timers/promises'
import { createRemoteJWKSet, customFetch, errors, type FetchImplementation, type JWTVerifyGetKey } from 'jose'
import { reportingProvider } from '../channels.js'
import { withDeadline } from '../deadline.js'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT } from '../errors.js'
import { proxiedFetch } from './proxied-fetch.js'

/** The pool's response must be complete within this time. */
const TIMEOUT_MS = 4000
/** The longest key set that is read. Cognito's has two keys, less than 1 KiB. */
const MAX_BYTES = 64 * 1024
/** How often an unknown `kid` may cause a fetch: enough to follow a rotation, too little to load the pool. */
const COOLDOWN_MS = 1000
/** How long a token waits for its key, at most. */
const DEADLINE_MS = 5000
/** Tokens that wait at once. More are decided by the keys that are known. */
const MAX_WAITING = 1000
/** Known keys are fetched again after this time, in the background. */
const MAX_AGE_MS = 10 * 60_000
/** When that fetch is retried after a failure. */
const RETRY_MS = 10_000

/**
 * The keys of an issuer, at `issuer/.well-known/jwks.json`. They are fetched when first needed, with bounds on
 * time and size. Known keys are used without delay, even beyond their age; only an unknown key is waited for. So a
 * pool whose keys cannot be reached delays no login that known keys can verify.
 *
 * A token with an unknown key is decided by a fetch that began after the token came, at most one a second, which all
 * such tokens share. Within a second of a fetch that failed, they fail as it did.
 *
 * @param proxy URL of the proxy through which they are fetched.
 * @returns a function that throws ERR_COGNITO_TIMEOUT or ERR_COGNITO_ANSWER if a needed key cannot be fetched.
 */
export function createKeySet (issuer: string, proxy?: string): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
    // jose's own rules would wait for a refetch, and forget why the last one failed. This function decides instead.
    timeoutDuration: TIMEOUT_MS,
    cacheMaxAge: Infinity,
    cooldownDuration: Infinity,
    [customFetch]: boundedFetch(proxy === undefined ? fetch : proxiedFetch(proxy))
  })
  let triedAt = -Infinity
  let fetchedAt = -Infinity
  let failure: Error | undefined
  /** The number of fetches that have begun. */
  let begun = 0
  let waiting = 0
  let next: Promise<void> | undefined

  /** Concurrent calls share one fetch. */
  const fetchKeys = async (): Promise<void> => {
    if (!remote.reloading) {
      triedAt = Date.now()
      begun++
    }
    try {
      await remote.reload()
      fetchedAt = Date.now()
      failure = undefined
    } catch (error) {
      failure = error as Error
      throw error
    }
  }

  /** The next fetch that the cool-down allows. */
  const nextFetch = (): Promise<void> => {
    const restMs = COOLDOWN_MS - (Date.now() - triedAt)
    if (next === undefined && restMs <= 0) return fetchKeys()
    // A clock that was set back does not lengthen the wait.
    next ??= sleep(Math.min(restMs, COOLDOWN_MS), undefined, { ref: false }).then(() => {
      next = undefined
      return fetchKeys()
    })
    return next
  }

  /** Waits until the key is known, or a fetch has ended before which `before` fetches had begun. */
  const waitForKey = async (before: number, isKnown: () => Promise<boolean>): Promise<void> => {
    if (remote.reloading) {
      await fetchKeys()
      if (await isKnown()) return
    } else if (failure !== undefined && Date.now() - triedAt < COOLDOWN_MS) {
      // The pool may have such a key, so the token is not to blame.
      throw failure
    }
    if (begun === before) await nextFetch()
  }

  return async (header, token) => {
    const now = Date.now()
    const start = performance.now()
    const before = begun
    if (remote.jwks() === undefined) {
      await fetchKeys()
    } else if (now - fetchedAt >= MAX_AGE_MS && now - triedAt >= RETRY_MS) {
      fetchKeys().catch(() => {})
    }
    try {
      return await remote(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || waiting >= MAX_WAITING) throw error
      waiting++
      try {
        const isKnown = () => remote(header, token).then(() => true, () => false)
        const restMs = DEADLINE_MS - (performance.now() - start)
        await withDeadline(restMs, waitForKey(before, isKnown), late)
        return await remote(header, token)
      } finally {
        waiting--
      }
    }
  }
}

const boundedFetch = (fetchAny: typeof fetch): FetchImplementation => async (url, init) =>
  reportingProvider('jwks', () => readKeys(fetchAny, url, init))

async function readKeys (fetchAny: typeof fetch, ...[url, init]: Parameters<FetchImplementation>): Promise<Response> {
  try {
    const response = await fetchAny(url, init)
    if (response.status !== 200) {
      await response.body?.cancel()
      throw invalid(`status ${response.status}`)
    }
    return new Response(await readKeySet(response), { status: 200 })
  } catch (error) {
    if (error instanceof ERR_COGNITO_ANSWER) throw error
    const { message, cause } = error as Error
    throw new ERR_COGNITO_TIMEOUT({ cause: new Error(`key set: ${cause instanceof Error ? cause.message : message}`) })
  }
}

const late = () => new ERR_COGNITO_TIMEOUT({ cause: new Error(`key set: no answer within ${DEADLINE_MS} ms`) })

const invalid = (reason: string) => new ERR_COGNITO_ANSWER({ cause: new Error(`key set: ${reason}`) })

/** The body. @throws {ERR_COGNITO_ANSWER} if it is not a key set, or too long. */
async function readKeySet (response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).byteLength
    if (bytes > MAX_BYTES) throw invalid(`longer than ${MAX_BYTES} bytes`)
    text += decoder.decode(chunk as Uint8Array, { stream: true })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('not JSON')
  }
  if (!isKeySet(value)) throw invalid('JSON, but not a JSON Web Key Set')
  return text
}

/** RFC 7517 §5. */
function isKeySet (value: unknown): boolean {
  const { keys } = (value ?? {}) as { keys?: unknown }
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)
}
