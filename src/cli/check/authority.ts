import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'

/** How long the look at a certificate may take, in milliseconds. */
const TIMEOUT_MS = 3000

/** The message with which a client of PostgreSQL asks for TLS: its length, and the number of the request. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

export interface Server { host: string, port: number, isPostgres: boolean }

/**
 * The authority that has signed a server's certificate, which was refused; undefined if that cannot be told. Nothing is
 * sent on the connection.
 *
 * @see {@link https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL}
 */
export async function authorityOf ({ host, port, isPostgres }: Server): Promise<string | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const plain = connect({ host, port })
  plain.on('error', () => {})
  try {
    await once(plain, 'connect', { signal })
    if (isPostgres) await startTls(plain, signal)
    // The certificate is only looked at.
    const socket = connectTls({ socket: plain, servername: host, rejectUnauthorized: false })
    socket.on('error', () => {})
    await once(socket, 'secureConnect', { signal })
    return nameOf(socket)
  } catch {
    return undefined
  } finally {
    plain.destroy()
  }
}

async function startTls (socket: Socket, signal: AbortSignal): Promise<void> {
  socket.write(SSL_REQUEST)
  const [answer] = await once(socket, 'data', { signal }) as [Buffer]
  if (answer.toString('latin1') !== 'S') throw new Error('no TLS')
}

function nameOf (socket: TLSSocket): string | undefined {
  const { issuer } = socket.getPeerCertificate()
  const names = [issuer.O, issuer.CN].flat().filter((name) => name !== undefined && name !== '')
  return names.length === 0 ? undefined : names.join(', ')
}
