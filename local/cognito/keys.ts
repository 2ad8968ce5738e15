/**
 * The permanent secrets of a user pool: two signing keys and the app client's secret.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { writeOnce } from '../write-once.js'

/** A private RSA key with its `kid`. */
export type SigningKey = JWK & { kid: string, alg: 'RS256', use: 'sig' }

/** As in Cognito, one key signs ID tokens and another access tokens. */
export interface PoolSecrets {
  idTokenKey: SigningKey
  accessTokenKey: SigningKey
  clientSecret: string
}

/** Length of the client secrets that Cognito makes, in characters. */
const CLIENT_SECRET_LENGTH = 52

/**
 * The secrets in `dataDir/pool.json`, which the first call creates. Without a folder they are new at each call.
 *
 * @throws if the file holds anything else.
 */
export async function poolSecrets (dataDir?: string): Promise<PoolSecrets> {
  if (dataDir === undefined) return create()
  const file = join(dataDir, 'pool.json')
  const existing = await read(file)
  if (existing !== undefined) return existing
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await writeOnce(file, JSON.stringify(await create()))
  return await read(file) as PoolSecrets
}

/** The public part of a key (RFC 7517 §4). */
export const publicKey = ({ kty, n, e, kid, alg, use }: SigningKey) => ({ alg, e, kid, kty, n, use })

async function create (): Promise<PoolSecrets> {
  const [idTokenKey, accessTokenKey] = await Promise.all([createKey(), createKey()])
  return { idTokenKey, accessTokenKey, clientSecret: randomBytes(CLIENT_SECRET_LENGTH / 2).toString('hex') }
}

async function createKey (): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...await exportJWK(privateKey), kid: randomBytes(32).toString('base64'), alg: 'RS256', use: 'sig' }
}

async function read (file: string): Promise<PoolSecrets | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const secrets = parse(text)
  if (isComplete(secrets)) return secrets
  throw new Error(`${file} does not hold the keys of a local user pool: delete it to create new ones`)
}

function isComplete (secrets: Partial<PoolSecrets> | undefined): secrets is PoolSecrets {
  const { idTokenKey, accessTokenKey, clientSecret } = secrets ?? {}
  return [idTokenKey?.d, accessTokenKey?.d, clientSecret].every((secret) => typeof secret === 'string')
}

function parse (text: string): Partial<PoolSecrets> | undefined {
  try {
    return JSON.parse(text) as Partial<PoolSecrets>
  } catch {
    return undefined
  }
}
