/**
 * The part of a browser that binds sessions to its device, as Chromium was seen to do it.
 *
 * @module
 */
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import type { Browser, Page } from './browser.js'

export const PUBLIC_URL = 'https://auth.example.test'
export const REGISTER = `${PUBLIC_URL}/api/auth/device/register`
export const REFRESH = `${PUBLIC_URL}/api/auth/device/refresh`
export const BOUND = '__Host-cashsouk.sid.bound'

export interface Proof {
  jti?: string | undefined
  authorization?: string | undefined
  typ?: string
  /** In the header; a registration has it. */
  jwk?: JWK | undefined
}

/** What the answer that signs in offers. */
export interface Offer { path: string, challenge: string, ticket: string }

export function offerOf ({ headers }: Page): Offer | undefined {
  const [, path, challenge, ticket] =
    /^\(ES256 RS256\);path="([^"]+)";challenge="([^"]+)";authorization="([^"]+)"$/
      .exec(headers.get('secure-session-registration') ?? '') ?? []
  if (path === undefined || challenge === undefined || ticket === undefined) return undefined
  return { path, challenge, ticket }
}

/** The challenge that an answer has. */
export const challengeOf = ({ headers }: Page): string | undefined =>
  /^"([^"]+)";id="[^"]+"$/.exec(headers.get('secure-session-challenge') ?? '')?.[1]

export class Device {
  readonly alg: string
  readonly jwk: JWK
  readonly #key: CryptoKey
  /** The session identifier that a registration gave. */
  identifier = ''

  private constructor (alg: string, jwk: JWK, key: CryptoKey) {
    this.alg = alg
    this.jwk = jwk
    this.#key = key
  }

  static async make (alg = 'ES256', modulusLength = 2048): Promise<Device> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { modulusLength, extractable: true })
    return new Device(alg, await exportJWK(publicKey), privateKey)
  }

  async proof ({ jti, authorization, typ = 'dbsc+jwt', jwk }: Proof): Promise<string> {
    const header = { alg: this.alg, typ, ...(jwk === undefined ? {} : { jwk }) }
    const claims = { ...(jti === undefined ? {} : { jti }), ...(authorization === undefined ? {} : { authorization }) }
    return new SignJWT(claims)
      .setProtectedHeader(header)
      .sign(this.#key)
  }

  registration ({ challenge, ticket }: Offer, changes: Proof = {}): Promise<string> {
    return this.proof({ jti: challenge, authorization: ticket, jwk: this.jwk, ...changes })
  }

  /** As the browser does after a sign-in from another site: without a `SameSite=Lax` cookie. */
  async register (user: Browser, answer: Page, changes: Proof = {}): Promise<Page> {
    const offer = offerOf(answer)
    if (offer === undefined) throw new Error('the answer offers no registration')
    const proof = await this.registration(offer, changes)
    const page = await sendProof(user, REGISTER, { 'secure-session-response': proof })
    const { session_identifier: identifier } = JSON.parse(page.text) as { session_identifier?: string }
    this.identifier = identifier ?? ''
    return page
  }

  /** A refresh, with a proof for the challenge if there is one. */
  async refresh (user: Browser, challenge?: string, changes: Proof = {}): Promise<Page> {
    const proof = challenge === undefined ? undefined : await this.proof({ jti: challenge, ...changes })
    return sendProof(user, REFRESH, {
      'sec-secure-session-id': this.identifier,
      ...(proof === undefined ? {} : { 'secure-session-response': proof })
    })
  }

  /** A refresh as the browser does it: with the challenge of the first answer. */
  async renew (user: Browser): Promise<Page> {
    return this.refresh(user, challengeOf(await this.refresh(user)))
  }
}

/** Without cookies, from another site. */
export const sendProof = (user: Browser, url: string, headers: Record<string, string>): Promise<Page> =>
  user.send('POST', url, { from: 'https://idp.example', redirect: 'manual', headers })
