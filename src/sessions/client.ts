import { Client, type ClientConfig } from 'pg'
import { ProtocolGuard } from './protocol-guard.js'

/**
 * A client that closes its connection after an error of its own. pg leaves it open when it refuses
 * what the server asks for a password (SCRAM): each attempt would then take one of the server's
 * connections until its `authentication_timeout`, which is a minute by default.
 *
 * It also closes one on which something else than PostgreSQL's protocol arrives.
 */
export class ClosingClient extends Client {
  constructor (config?: string | ClientConfig) {
    super(config)
    const { connection } = this
    connection.once('error', () => { connection.stream.destroy() })
    // Before the TLS handshake, the server's answer is a single letter.
    if (this.ssl) connection.once('sslconnect', () => { guard(connection.stream) })
    else guard(connection.stream)
  }
}

function guard (stream: Client['connection']['stream']): void {
  const protocol = new ProtocolGuard()
  stream.on('data', (bytes: Buffer) => {
    if (!protocol.isPossible(bytes)) stream.destroy(new Error('the answer is not PostgreSQL\'s protocol'))
  })
}
