import { connect, type Socket } from 'node:net'
import type { PoolClient } from 'pg'

/** The code of a CancelRequest in place of a protocol version. */
const CANCEL_REQUEST = 80_877_102
const LENGTH = 16
/** How long the caller waits at most, in milliseconds. */
const WAIT_MS = 250
/** When the request is given up. */
const LIMIT_MS = 12_000

/** What pg knows of a connection and its types leave out. */
interface Connected {
  processID?: number | null
  secretKey?: number | null
  host?: string
  port?: number
}

/**
 * Asks the server to cancel what a connection runs, on another connection that needs no sign-in. A server that waits
 * for a lock does not notice that its client has gone, and would keep its place among `max_connections`.
 * Not for a connection to a pooler: see {@link Route.isDirect}.
 *
 * @returns a promise that resolves when the server has the request, or cannot be reached in a quarter of a second.
 *   Undefined if the connection has ended.
 * @see {@link https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS}
 */
export function cancelQuery (client: PoolClient): Promise<void> | undefined {
  const { processID, secretKey, host = '', port = 0 } = client as Connected
  // A pool of another library may have clients without these.
  const stream = (client as Partial<PoolClient>).connection?.stream as Socket | undefined
  if (stream === undefined || stream.destroyed || typeof processID !== 'number' || typeof secretKey !== 'number') {
    return undefined
  }
  // The address of the connection itself: the name may lead elsewhere by now.
  const { remoteAddress, remotePort } = stream
  const target = remoteAddress === undefined || remotePort === undefined
    ? { path: `${host}/.s.PGSQL.${port}` }
    : { host: remoteAddress, port: remotePort }
  const request = Buffer.alloc(LENGTH)
  request.writeInt32BE(LENGTH, 0)
  request.writeInt32BE(CANCEL_REQUEST, 4)
  request.writeInt32BE(processID, 8)
  request.writeInt32BE(secretKey, 12)
  return new Promise((resolve) => {
    const socket = connect(target)
    const waiting = setTimeout(resolve, WAIT_MS).unref()
    const giveUp = setTimeout(() => { socket.destroy() }, LIMIT_MS).unref()
    // The server closes the connection once it has dealt with the request.
    socket.unref().on('connect', () => { socket.write(request) }).on('error', () => {}).on('close', () => {
      clearTimeout(waiting)
      clearTimeout(giveUp)
      resolve()
    }).resume()
  })
}
