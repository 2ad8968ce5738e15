/**
 * The test kit's user pool, which also forges ID tokens and rotates refresh tokens.
 *
 * @module
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject
} from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { t as file, type Test } from 'tap'
import type { LocalCognito } from '../../local/cognito/index.js'
import { poolSecrets } from '../../local/cognito/keys.js'
import { startFaultyPool, type Fault as PoolFault, type FaultyPool } from '../../testing/faulty-pool.js'

export type { BackChannelRequest } from '../../testing/faulty-pool.js'
export type { Misbehaviour } from '../../testing/misbehaviour.js'

export type Claims = Record<string, unknown>

/**
 * A forged ID token. `alg` decides the signature: RS256 with the pool's key, HS256 with its public key as the
 * secret, `none` without a signature.
 */
export type Forgery = (claims: Claims, header: Claims) => { claims: Claims, header: Claims }

export interface Fault extends PoolFault {
  /** The ID token of an otherwise valid token response. `foreign-key`: another RSA key with the pool's `kid`. */
  idToken?: 'missing' | 'unsigned' | 'foreign-key' | Forgery
  /** Changes the token response, before the ID token is forged. */
  tokens?: Rewrite
  /** Refresh tokens work once and return a successor, as with Cognito's rotation. */
  rotate?: boolean
}

/** Changes a valid token response. */
export type Rewrite = (answer: Record<string, unknown>, asked: URLSearchParams) => Record<string, unknown>

export interface FaultyCognito
  extends Pick<LocalCognito, 'issuers' | 'useIssuer'>, Omit<FaultyPool, 'pool' | 'fault'> {
  /** Sets the fault from now on; `undefined` removes it. */
  fault: (kind: Fault | undefined) => void
}

let folder: Promise<string> | undefined
let foreignKey: KeyObject | undefined

file.teardown(async () => {
  if (folder !== undefined) await rm(await folder, { recursive: true, force: true })
})

/** A `dataDir` for all pools of the process, because making a key takes 0.1 s. */
export const keyFolder = (): Promise<string> => (folder ??= mkdtemp(join(tmpdir(), 'local-cognito-')))

/** Starts a pool for one test. The sign-out URL is `/` of the first callback's origin unless given. */
export async function cognito (
  t: Test, { callbackUrl, logoutUrl }: { callbackUrl: string | string[], logoutUrl?: string | string[] }
): Promise<FaultyCognito> {
  const redirectUris = [callbackUrl].flat()
  const dataDir = await keyFolder()
  const rotation = new Rotation()
  let fault: Fault = {}
  const { pool, fault: fail, ...faulty } = await startFaultyPool({
    redirectUris,
    logoutUris: [logoutUrl ?? `${new URL(redirectUris[0] as string).origin}/`].flat(),
    dataDir
  }, {
    onRequest: (asked) => rotation.own(asked),
    onTokens: (answer, asked) => {
      const { idToken, tokens: rewrite, rotate = false } = fault
      let tokens = JSON.parse(answer) as Record<string, unknown>
      if (rotate && asked.get('grant_type') === 'refresh_token') {
        tokens = { ...tokens, refresh_token: rotation.next(asked) }
      }
      if (rewrite !== undefined) tokens = rewrite(tokens, asked)
      return idToken === undefined ? JSON.stringify(tokens) : forge(JSON.stringify(tokens), idToken, poolKey)
    }
  })
  const { idTokenKey } = await poolSecrets(dataDir)
  const poolKey = createPrivateKey({ key: idTokenKey, format: 'jwk' })
  t.teardown(faulty.close)
  return {
    ...faulty,
    issuers: pool.issuers,
    useIssuer: pool.useIssuer,
    fault: (kind) => {
      fault = kind ?? {}
      fail(kind)
    }
  }
}

/** Aliases of the pool's refresh tokens, which change with every use. */
class Rotation {
  readonly #own = new Map<string, string>()
  readonly #latest = new Map<string, string>()

  /** The same request with the pool's own refresh token; undefined if its token was superseded. */
  own (asked: URLSearchParams): URLSearchParams | undefined {
    const name = asked.has('refresh_token') ? 'refresh_token' : 'token'
    const given = asked.get(name)
    if (given === null) return asked
    const own = this.#own.get(given) ?? given
    if (name === 'refresh_token' && (this.#latest.get(own) ?? own) !== given) return undefined
    const request = new URLSearchParams(asked)
    request.set(name, own)
    return request
  }

  next (asked: URLSearchParams): string {
    const given = asked.get('refresh_token') ?? ''
    const own = this.#own.get(given) ?? given
    const successor = `rotated-${this.#own.size}-${own.slice(0, 6)}`
    this.#own.set(successor, own)
    this.#latest.set(own, successor)
    return successor
  }
}

function forge (answer: string, forgery: NonNullable<Fault['idToken']>, poolKey: KeyObject): string {
  const { id_token: token, ...others } = JSON.parse(answer) as { id_token: string }
  if (forgery === 'missing') return JSON.stringify(others)
  const [header, claims] = token.split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims) as [Claims, Claims]
  const key =
    forgery === 'foreign-key'
      ? (foreignKey ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
      : poolKey
  const forged = typeof forgery === 'function'
    ? forgery(claims, header)
    : { claims, header: forgery === 'unsigned' ? { alg: 'none' } : header }
  return JSON.stringify({ ...others, id_token: signToken(forged, key) })
}

function signToken ({ claims, header }: ReturnType<Forgery>, key: KeyObject): string {
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${input}.${signature(header.alg, input, key)}`
}

function signature (alg: unknown, input: string, key: KeyObject): string {
  if (alg === 'none') return ''
  if (alg === 'HS256') {
    return createHmac('sha256', createPublicKey(key).export({ type: 'spki', format: 'pem' }))
      .update(input)
      .digest('base64url')
  }
  return sign('sha256', Buffer.from(input), key).toString('base64url')
}
