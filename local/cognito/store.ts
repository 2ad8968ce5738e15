import type { Adapter, AdapterPayload } from 'oidc-provider'

/** Above this, the oldest row is dropped. A developer's machine never has as many. */
const MAX_ROWS = 5000

/** oidc-provider's storage for one kind of object, such as codes: in memory, bounded, lost with the process. */
export class MemoryStore implements Adapter {
  readonly #rows = new Map<string, { payload: AdapterPayload, endsAt: number }>()

  async upsert (id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    this.#rows.delete(id) // so that it becomes the newest
    this.#rows.set(id, { payload, endsAt: expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000 })
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= MAX_ROWS) break
      this.#rows.delete(oldest)
    }
  }

  async find (id: string): Promise<AdapterPayload | undefined> {
    const row = this.#rows.get(id)
    if (row === undefined || row.endsAt > Date.now()) return row?.payload
    this.#rows.delete(id)
    return undefined
  }

  async findByUid (uid: string): Promise<AdapterPayload | undefined> {
    for (const [id, { payload }] of this.#rows) {
      if (payload.uid === uid) return this.find(id)
    }
    return undefined
  }

  /** Part of the device flow, which Cognito does not have. */
  async findByUserCode (): Promise<undefined> {
    return undefined
  }

  async consume (id: string): Promise<void> {
    const row = this.#rows.get(id)
    if (row !== undefined) row.payload.consumed = Math.floor(Date.now() / 1000)
  }

  async destroy (id: string): Promise<void> {
    this.#rows.delete(id)
  }

  async revokeByGrantId (grantId: string): Promise<void> {
    for (const [id, { payload }] of this.#rows) {
      if (payload.grantId === grantId) this.#rows.delete(id)
    }
  }
}
