import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import pg from 'pg'
import type { Test } from 'tap'
import { certificate } from './certificate.js'

export const accessKeyId = 'AKIAIOSFODNN7EXAMPLE'
export const secretAccessKey = 'the+secret/key+of+a+test+and+of+nothing+else'

export interface StandIn {
  /** Its address, with the user `app`, TLS and no password. */
  url: string
  port: number
  /** The tokens of the connections so far, with what is wrong with them. */
  tokens: { token: string, problem: string | undefined }[]
  /** Refuses every token from now on, or no longer. */
  refuse (isRefused: boolean): void
  /** Ends all connections. */
  cut (): void
}

const SSL_REQUEST = 80_877_103

/**
 * An RDS instance with IAM authentication: TLS, a cleartext password that must be a token, checked as AWS documents
 * Signature Version 4, and then the PostgreSQL at `databaseUrl`.
 *
 * @see {@link https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html}
 */
export async function rdsStandIn (t: Test, databaseUrl: string, region: string): Promise<StandIn> {
  const { key, cert, file } = certificate(t, 'localhost')
  const sockets = new Set<Socket>()
  const tokens: StandIn['tokens'] = []
  let port = 0
  let isRefused = false

  const serve = (raw: Socket) => {
    sockets.add(raw)
    raw.on('error', () => {}).on('close', () => { sockets.delete(raw) })
    raw.once('data', (request) => {
      if (request.readInt32BE(4) !== SSL_REQUEST) {
        raw.end(refusal('28000', 'no pg_hba.conf entry, no encryption'))
        return
      }
      raw.write('S')
      const client = new TLSSocket(raw, { isServer: true, key, cert }).on('error', () => {})
      client.once('data', () => {
        client.write(message('R', int32(3)))
        client.once('data', (answer: Buffer) => { void login(client, answer) })
      })
    })
  }
  const login = async (client: TLSSocket, answer: Buffer) => {
    const token = answer.subarray(5, -1).toString()
    const problem = isRefused ? 'refused by the test' : tokenProblem(token, { host: 'localhost', port, region })
    tokens.push({ token, problem })
    if (problem !== undefined) {
      // As PostgreSQL answers after PAM.
      client.end(refusal('28000', 'PAM authentication failed for user "app"'))
      return
    }
    const database = new pg.Client(databaseUrl)
    database.on('error', () => {})
    await database.connect()
    const { stream } = database.connection
    stream.removeAllListeners('data')
    client.on('close', () => { stream.destroy() })
    stream.on('close', () => { client.destroy() })
    client.write(Buffer.concat([message('R', int32(0)), message('Z', Buffer.from('I'))]))
    client.pipe(stream)
    stream.pipe(client)
  }

  const server = createServer(serve)
  await new Promise<void>((resolve) => { server.listen(0, 'localhost', resolve) })
  port = (server.address() as AddressInfo).port
  const cut = () => { for (const socket of sockets) socket.destroy() }
  t.teardown(() => {
    cut()
    server.close()
  })
  const { pathname } = new URL(databaseUrl)
  return {
    url: `postgres://app@localhost:${port}${pathname}?sslmode=verify-full&sslrootcert=${file}`,
    port,
    tokens,
    refuse (refused) { isRefused = refused },
    cut
  }
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const message = (type: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(type), int32(body.length + 4), body])

const refusal = (code: string, text: string): Buffer =>
  message('E', Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${text}\0\0`))

/** Why a token is not valid; undefined if it is. */
function tokenProblem (
  token: string, { host, port, region }: { host: string, port: number, region: string }
): string | undefined {
  const url = new URL(`https://${token}`)
  if (url.host !== `${host}:${port}` || url.pathname !== '/') return `for ${url.host}${url.pathname}`
  const given = Object.fromEntries(url.searchParams)
  const time = given['X-Amz-Date'] ?? ''
  const [, day = ''] = /^(\d{8})T\d{6}Z$/.exec(time) ?? []
  const scope = `${day}/${region}/rds-db/aws4_request`
  const expected: Record<string, string> = {
    'Action': 'connect',
    'DBUser': 'app',
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${accessKeyId}/${scope}`,
    'X-Amz-Expires': '900',
    'X-Amz-SignedHeaders': 'host'
  }
  const wrong = Object.entries(expected).find(([name, value]) => given[name] !== value)
  if (wrong !== undefined) return `${wrong[0]} is ${given[wrong[0]]}`
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(Date.now() - at) < 900_000)) return 'expired'
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map((pair) => pair.map(encode).join('='))
    .sort()
    .join('&')
  const request = `GET\n/\n${query}\nhost:${host}:${port}\n\nhost\n${sha256('')}`
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(request)}`
  const key = [day, region, 'rds-db', 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${secretAccessKey}`))
  const [ours, theirs] = [hmac(key, text), Buffer.from(given['X-Amz-Signature'] ?? '', 'hex')]
  return ours.length === theirs.length && timingSafeEqual(ours, theirs) ? undefined : 'wrong signature'
}

const encode = (text: string): string => encodeURIComponent(text)
  .replaceAll(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
