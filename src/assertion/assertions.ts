import { sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { SigningKey } from './signing-key.js'
import type { SigningKeys } from './signing-keys.js'

/** The lifetime of an assertion in seconds, unless its session ends before. */
const LIFETIME_S = 60
/** How old an assertion may be to be handed out again, in seconds: it then holds for as long. */
const MAX_AGE_S = 30
/** From this age on the next one is signed in the background, so that no request waits for it. */
const RENEW_AGE_S = 20
/** Assertions in one generation, about a kilobyte each. There are two generations. */
const MAX_CACHED = 5000

/** What an assertion says of a signed-in user. Not to be changed: the same object has the same content. */
export interface AssertedUser {
  readonly sub: string
  readonly email?: string | undefined
  readonly role?: string | undefined
  readonly roles?: readonly string[] | undefined
  /** When the user last authenticated, in seconds since 1970. */
  readonly authTime?: number | undefined
  /** Where there is this member, {@link Assertions} keeps the latest assertion of the object in it: found at once. */
  latest?: Cached | undefined
}

/** A signed-in session. Times are milliseconds since 1970 on the database's clock. */
export interface AssertedSession {
  /** The public id, which is no secret. */
  publicId: string
  user: AssertedUser
  expiresAt: number
  databaseNow: number
}

interface Cached {
  user: AssertedUser
  publicId: string
  audience: string
  content: string
  kid: string
  iat: number
  exp: number
  /** The assertion, or, while it is being signed, a promise of it. */
  value: string | Promise<string>
  isRenewed: boolean
}

const signAsync = promisify(sign)

/**
 * Makes the assertions that upstreams check: JWTs by ES256 (RFC 7515, RFC 7519). An assertion is signed in the thread
 * pool, and handed out again for half a minute as long as nothing that it says has changed. It never outlives the
 * session.
 *
 * Signed here and not by jose, which takes three times as long of the main thread.
 */
export class Assertions {
  readonly #keys: Pick<SigningKeys, 'signer'>
  readonly #issuer: string
  #younger = new Map<string, Cached>()
  #older = new Map<string, Cached>()

  /** @param issuer `iss`, and the audience where none is named. */
  constructor (keys: Pick<SigningKeys, 'signer'>, issuer: string) {
    this.#keys = keys
    this.#issuer = issuer
  }

  /**
   * The assertion of a session; at once if there is one that holds.
   *
   * @param audience `aud`: the upstream that is to accept it.
   * @throws {ERR_DATABASE} if there has been no key so far.
   */
  of (session: AssertedSession, audience = this.#issuer): string | Promise<string> {
    const key = this.#keys.signer(session.databaseNow)
    return key instanceof Promise
      ? key.then((signer) => this.#by(signer, session, audience))
      : this.#by(key, session, audience)
  }

  #by (key: SigningKey, session: AssertedSession, audience: string): string | Promise<string> {
    const { publicId, user } = session
    const { kid } = key.publicJwk
    const iat = Math.floor(session.databaseNow / 1000)
    const { latest } = user
    // A copy of the object has the same member, and maybe other content.
    if (latest?.user === user && latest.publicId === publicId && latest.audience === audience && latest.kid === kid &&
      iat >= latest.iat && iat - latest.iat < RENEW_AGE_S && latest.exp === expiryOf(session, latest.iat)) {
      return latest.value
    }
    const name = `${publicId} ${audience}`
    const cached = this.#get(name)
    const content = cached?.user === user ? cached.content : contentOf(this.#issuer, audience, session)
    const isUsable = cached !== undefined && cached.content === content && cached.kid === kid &&
      iat >= cached.iat && iat - cached.iat < MAX_AGE_S && cached.exp === expiryOf(session, cached.iat)
    const next = { user, publicId, audience, content, kid, iat, exp: expiryOf(session, iat) }
    if (!isUsable) return this.#sign(name, key, next)
    cached.user = user
    // Not a promise: a signature that fails would stay.
    if ('latest' in user && typeof cached.value === 'string') user.latest = cached
    if (iat - cached.iat >= RENEW_AGE_S && !cached.isRenewed) {
      cached.isRenewed = true
      this.#renew(name, key, next)
    }
    return cached.value
  }

  /** Concurrent requests of the session get the same promise. */
  #sign (name: string, key: SigningKey, what: Omit<Cached, 'value' | 'isRenewed'>): Promise<string> {
    const value = signed(key, what)
    const cached: Cached = { ...what, value, isRenewed: false }
    value.then((assertion) => { cached.value = assertion }, () => { this.#younger.delete(name) })
    this.#put(name, cached)
    return value
  }

  #renew (name: string, key: SigningKey, what: Omit<Cached, 'value' | 'isRenewed'>): void {
    signed(key, what).then((value) => { this.#put(name, { ...what, value, isRenewed: false }) }, () => {})
  }

  #get (name: string): Cached | undefined {
    const cached = this.#younger.get(name)
    if (cached !== undefined) return cached
    const older = this.#older.get(name)
    if (older !== undefined) this.#put(name, older)
    return older
  }

  #put (name: string, cached: Cached): void {
    if (this.#younger.size >= MAX_CACHED) {
      this.#older = this.#younger
      this.#younger = new Map()
    }
    this.#younger.set(name, cached)
  }
}

/** The claims except `iat` and `exp`, as JSON without its end. */
function contentOf (issuer: string, audience: string, { publicId, user }: AssertedSession): string {
  const { sub, email, role, roles, authTime } = user
  // JSON leaves out what is undefined.
  const claims = { iss: issuer, aud: audience, sub, email, role, roles, auth_time: authTime, sid: publicId }
  return JSON.stringify(claims).slice(0, -1)
}

const expiryOf = ({ expiresAt }: AssertedSession, iat: number): number =>
  Math.min(iat + LIFETIME_S, Math.floor(expiresAt / 1000))

/** A JWT in compact serialisation (RFC 7515 §3.1). The signature has the form of RFC 7518 §3.4. */
async function signed (
  { header, privateKey }: SigningKey, { content, iat, exp }: Pick<Cached, 'content' | 'iat' | 'exp'>
): Promise<string> {
  const payload = Buffer.from(`${content},"iat":${iat},"exp":${exp}}`).toString('base64url')
  const input = `${header}.${payload}`
  const signature = await signAsync('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}
