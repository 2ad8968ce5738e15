import { withDeadline } from '../deadline.js'
import { ERR_CONFIG } from '../errors.js'
import type { Server } from '../sessions/index.js'
import { regionOf } from './region.js'

/** How long a token is used, in milliseconds. RDS accepts it for 15 minutes. */
const USED_MS = 600_000
/** Below the time limit of a connection, so that its error says what the signer waits for. */
const LIMIT_MS = 1500
/** After this, a signer that gives no answer is asked again, in milliseconds. */
const GIVE_UP_MS = 30_000
/** What the SDK says may be long. */
const MAX_REASON_LENGTH = 200

/** Makes a token that is valid for 15 minutes. */
export type Sign = (server: Server, region: string) => Promise<string>

interface Token { signed: Promise<string>, atMs: number, isSigned: boolean }

/**
 * Tokens of AWS in place of a database password, each used for ten minutes of the fifteen for which it is valid. A
 * connection stays open when its token has expired.
 *
 * @see {@link https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html}
 */
export class RdsTokens {
  readonly #sign: Sign
  readonly #tokens = new Map<string, Token>()

  constructor (sign: Sign) {
    this.#sign = sign
  }

  /** @throws an error that says why there is no token. */
  async of (server: Server): Promise<string> {
    const key = JSON.stringify(server)
    const known = this.#tokens.get(key)
    const isUsable = known !== undefined &&
      performance.now() - known.atMs < (known.isSigned ? USED_MS : GIVE_UP_MS)
    const token = isUsable ? known : this.#begin(key, server)
    return withDeadline(LIMIT_MS, token.signed, () => new Error(`rds-iam: no AWS credentials within ${LIMIT_MS} ms`))
  }

  /** After the database has refused one. */
  forget (): void {
    this.#tokens.clear()
  }

  /** Concurrent connections share one token. */
  #begin (key: string, server: Server): Token {
    const region = regionOf(server.host)
    const signed = region === undefined ? Promise.reject(new Error('no region')) : this.#sign(server, region)
    const token: Token = { signed: signed.catch(explain), atMs: performance.now(), isSigned: false }
    this.#tokens.set(key, token)
    token.signed.then(() => { token.isSigned = true }, () => {
      if (this.#tokens.get(key) === token) this.#tokens.delete(key)
    })
    return token
  }
}

/** An error of the SDK, for the log. */
function explain (error: unknown): never {
  const { name = 'Error', message = '' } = error as Error
  throw new Error(`rds-iam: no token: ${name}: ${message.replaceAll(/\s+/g, ' ').slice(0, MAX_REASON_LENGTH)}`)
}

/**
 * Tokens by the SDK's signer, with the credentials of its default chain: variables, files, the task's or instance's
 * role. The package is optional, and loaded only here.
 *
 * @throws {ERR_CONFIG} if it is not installed.
 */
export async function rdsTokens (): Promise<RdsTokens> {
  const { Signer } = await import('@aws-sdk/rds-signer').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new ERR_CONFIG('DATABASE_AUTH rds-iam needs the package @aws-sdk/rds-signer: npm install @aws-sdk/rds-signer')
  })
  return new RdsTokens(async ({ host, port, user }, region) =>
    new Signer({ hostname: host, port, username: user, region }).getAuthToken())
}
