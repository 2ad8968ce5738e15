import { Client, type ClientConfig } from 'pg'

/**
 * A client that closes its connection after an error of its own. pg leaves it open when it refuses
 * what the server asks for a password (SCRAM): each attempt would then take one of the server's
 * connections until its `authentication_timeout`, which is a minute by default.
 */
export class ClosingClient extends Client {
  constructor (config?: string | ClientConfig) {
    super(config)
    this.connection.once('error', () => { this.connection.stream.destroy() })
  }
}
