import { isInvalidClient } from './provider-errors.js'

/**
 * The same OAuth client with each of its secrets: while a secret is replaced, the provider may accept either. A
 * request that is refused for the secret (`invalid_client`, RFC 6749 §5.2) is sent with the next one. The secret that
 * was accepted last is tried first.
 */
export class ClientsInTurn<Client> {
  readonly #clients: readonly Client[]
  readonly #onSwitch: () => void
  #accepted: Client

  /**
   * @param clients in the order in which they are tried at first.
   * @param onSwitch called when another secret is accepted than before.
   */
  constructor (clients: readonly [Client, ...Client[]], onSwitch: () => void) {
    this.#clients = clients
    this.#accepted = clients[0]
    this.#onSwitch = onSwitch
  }

  /** @throws what `request` throws, if the secret is not to blame or every one was refused. */
  async use<Value> (request: (client: Client) => Promise<Value>): Promise<Value> {
    const accepted = this.#accepted
    let refusal: unknown
    for (const client of [accepted, ...this.#clients.filter((other) => other !== accepted)]) {
      try {
        const value = await request(client)
        this.#accept(client)
        return value
      } catch (error) {
        if (!isInvalidClient(error)) throw error
        refusal = error
      }
    }
    throw refusal
  }

  #accept (client: Client): void {
    if (client === this.#accepted) return
    this.#accepted = client
    this.#onSwitch()
  }
}
