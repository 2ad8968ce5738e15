import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * `closed`: connections are refused. `silent`: they are accepted, and nothing passes, in either direction. `garbage`:
 * the server's bytes are replaced. `slow`: each piece is delayed by 200 ms.
 */
export type Mode = 'open' | 'closed' | 'silent' | 'garbage' | 'slow'

export interface Gate {
  port: number
  /** How many connections are open. */
  readonly connections: number
  /** Where new connections lead. */
  target: number
  set (mode: Mode): Promise<void>
  /** Closes every connection. */
  cut (): void
  close (): Promise<void>
}

const SLOW_MS = 200

/** A TCP proxy in front of the database, whose address stays the same while what is behind it changes. */
export async function openGate (target: number): Promise<Gate> {
  const sockets = new Set<Socket>()
  let mode: Mode = 'open'
  const server = createServer({ allowHalfOpen: false }, (client) => {
    const upstream = connect(gate.target, '127.0.0.1')
    const end = () => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end).on('close', end).on('close', () => { sockets.delete(socket) })
    }
    pass(client, upstream, (bytes) => bytes)
    pass(upstream, client, (bytes) => mode === 'garbage' ? Buffer.alloc(bytes.length, 0x41) : bytes)
  })
  const pass = (from: Socket, to: Socket, change: (bytes: Buffer) => Buffer) => {
    from.on('data', (bytes) => {
      if (mode === 'silent') return
      if (mode === 'slow') setTimeout(() => { to.write(bytes) }, SLOW_MS)
      else to.write(change(bytes))
    })
  }
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen(0)
  const { port } = server.address() as AddressInfo
  const cut = () => { for (const socket of sockets) socket.destroy() }
  const gate: Gate = {
    port,
    target,
    get connections () { return sockets.size / 2 },
    async set (next) {
      const former = mode
      mode = next
      if (next === 'closed' && former !== 'closed') {
        server.close()
        cut()
      } else if (former === 'closed' && next !== 'closed') {
        await listen(port)
      } else if (former === 'silent') {
        cut() // what was swallowed never arrives
      }
    },
    cut,
    async close () {
      server.close()
      cut()
    }
  }
  return gate
}
