import { Pool, type ClientConfig, type PoolClient, type PoolConfig } from 'pg'
import { ClosingClient } from './client.js'
import { READ_AT_PRIMARY } from './statements/expressions.js'
import { ReadOnlyError, Targets, type ConnectionSource } from './targets.js'

/** How long a new connection may take to say whether it takes writes. */
const WRITABLE_MS = 1000

/** Transactions of a standby are read-only. */
const IS_READ_ONLY =
  `SELECT current_setting('transaction_read_only') = 'on' AS read_only, ${READ_AT_PRIMARY} AS read_at`

type ConnectCallback = Parameters<Pool['connect']>[0]

/**
 * A pool whose connections lead to one of several hosts, or whose password changes.
 *
 * The hosts are tried in their order, beginning with the one that was used last. Where
 * `target_session_attrs` asks for it, or there are several hosts, one that takes no writes is passed over.
 */
export class TargetPool extends Pool {
  readonly #targets: Targets

  constructor (options: PoolConfig, source: ConnectionSource) {
    const targets = new Targets(source)
    super({
      ...options,
      Client: clientFor(targets),
      verify: (client, done) => {
        if (targets.isWritableOnly) verifyWritable(client, done)
        else done()
      }
    })
    this.#targets = targets
  }

  override connect (): Promise<PoolClient>
  override connect (callback: ConnectCallback): void
  override connect (callback?: ConnectCallback): Promise<PoolClient> | void {
    const connecting = this.#connect(() => super.connect())
    if (callback === undefined) return connecting
    connecting.then(
      (client) => { callback(undefined, client, (error) => { client.release(error as Error | undefined) }) },
      (error: unknown) => { callback(error as Error, undefined, () => {}) }
    )
  }

  async #connect (connect: () => Promise<PoolClient>): Promise<PoolClient> {
    const targets = this.#targets
    const attempt = targets.begin()
    for (;;) {
      const tried = targets.current
      try {
        return await connect()
      } catch (error) {
        if (!await targets.again(attempt, tried, error)) throw targets.failure(attempt, error)
      }
    }
  }
}

/** The driver's own client would take the password of the connection string, and none in place of it. */
const clientFor = (targets: Targets): typeof ClosingClient => class extends ClosingClient {
  constructor (options: ClientConfig) {
    super({ ...options, connectionString: targets.current })
    const { host, port, user = '' } = this
    const password = targets.password
    if (password !== undefined) Object.assign(this, { password: () => password({ host, port, user }) })
  }
}

function verifyWritable (client: PoolClient, done: (error?: Error) => void): void {
  const discard = (error: Error): void => {
    done(error)
    // The pool listens again now, and would report what becomes of a connection that it has discarded.
    client.removeAllListeners('error').on('error', ignore)
  }
  // The pool does not listen until it hands the connection out.
  client.on('error', ignore)
  const query = { text: IS_READ_ONLY, query_timeout: WRITABLE_MS }
  client.query<{ read_only: boolean }>(query).then(({ rows: [row] }) => {
    client.removeListener('error', ignore)
    if (row?.read_only === false) done()
    else discard(new ReadOnlyError('the server is read-only'))
  }, discard)
}

function ignore (): void {}
