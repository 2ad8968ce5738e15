/**
 * What a user pool keeps for ever: two signing keys and the app client's secret.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'

/** A private RSA key with its `kid`. */
export type SigningKey = JWK & { kid: string, alg: 'RS256', use: 'sig' }

export interface PoolSecrets {
  /** As Cognito does: one key signs ID tokens, the other access tokens. */
  idTokenKey: SigningKey
  accessTokenKey: SigningKey
  clientSecret: string
}

/** Length of the client secrets that Cognito makes. */
const SECRET_LENGTH = 52

/**
 * The secrets kept in `dataDir/pool.json`, made at the first call; without a folder, new ones each time.
 *
 * @throws when the file is not what was written there.
 */
export async function poolSecrets (dataDir?: string): Promise<PoolSecrets> {
  if (dataDir === undefined) return create()
  const file = join(dataDir, 'pool.json')
  const kept = await read(file)
  if (kept !== undefined) return kept
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  // Of processes that start together, one's secrets become the file, whole, and all read it.
  await writeFile(draft, JSON.stringify(await create()), { mode: 0o600 })
  await link(draft, file).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error })
  await rm(draft)
  return await read(file) as PoolSecrets
}

/** What relying parties may see of a key (RFC 7517 §4). */
export const publicKey = ({ kty, n, e, kid, alg, use }: SigningKey) => ({ alg, e, kid, kty, n, use })

async function create (): Promise<PoolSecrets> {
  const [idTokenKey, accessTokenKey] = await Promise.all([createKey(), createKey()])
  return { idTokenKey, accessTokenKey, clientSecret: randomBytes(SECRET_LENGTH / 2).toString('hex') }
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
  if (typeof secrets?.idTokenKey?.d === 'string' && typeof secrets.accessTokenKey?.d === 'string' && typeof secrets.clientSecret === 'string') {
    return secrets as PoolSecrets
  }
  throw new Error(`${file} does not hold the keys of a local user pool: remove it to have new ones made`)
}

function parse (text: string): Partial<PoolSecrets> | undefined {
  try {
    return JSON.parse(text) as Partial<PoolSecrets>
  } catch {
    return undefined
  }
}
