import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Subscriptions to diagnostics channels, which end together. */
export class Subscriptions {
  readonly #ends: (() => void)[] = []

  /** @param onMessage must not throw: that would end the process. */
  add<Message> (name: string | symbol, onMessage: (message: Message) => void): void {
    const listener = (message: unknown) => { onMessage(message as Message) }
    subscribe(name, listener)
    this.#ends.push(() => { unsubscribe(name, listener) })
  }

  end (): void {
    for (const end of this.#ends.splice(0)) end()
  }
}
