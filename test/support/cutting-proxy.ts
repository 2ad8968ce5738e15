import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** `before`: the statement does not reach the database. `after`: it was run, and its answer is lost. */
export type Moment = 'before' | 'after'

export interface CuttingProxy {
  /** The database's address, by way of the proxy. */
  url: string
  /** Cuts the connection that sends the next statement that matches. Resolves when that has happened. */
  cut (statement: RegExp, moment: Moment): Promise<void>
  /** How many statements that match were sent so far. */
  sent (statement: RegExp): number
  /** New connections lead to this server; those that are open stay. */
  lead (databaseUrl: string): void
  /** Loses all open connections without a sign: neither side learns of it. New connections work. */
  lose (): void
  /** From now on the answers on all open connections are of the same length and something else. New ones work. */
  garble (): void
  /** How many connections are open. */
  open (): number
}

interface Cut { statement: RegExp, moment: Moment, done: () => void }

/** PostgreSQL's ReadyForQuery, outside of a transaction and in one, with which every answer ends. */
const READY = ['I', 'T'].map((state) => Buffer.from(`Z\0\0\0\x05${state}`, 'latin1'))

/** A proxy before a PostgreSQL server that cuts single connections at single statements, or loses all of them. */
export async function cuttingProxy (t: Test, databaseUrl: string): Promise<CuttingProxy> {
  let target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const statements: string[] = []
  let next: Cut | undefined
  let lost = new WeakSet<Socket>()
  let garbled = new WeakSet<Socket>()

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    let cut: Cut | undefined
    let answer = Buffer.alloc(0)
    const end = () => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end).on('close', end).on('close', () => { sockets.delete(socket) })
    }
    client.on('data', (bytes) => {
      const text = bytes.toString('latin1')
      statements.push(text)
      if (lost.has(client)) return
      if (next?.statement.test(text) === true) {
        cut = next
        next = undefined
        if (cut.moment === 'before') {
          end()
          cut.done()
          return
        }
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (lost.has(upstream)) return
      if (cut === undefined) {
        client.write(garbled.has(upstream) ? Buffer.alloc(bytes.length, 'A') : bytes)
        return
      }
      answer = Buffer.concat([answer, bytes])
      if (!READY.some((end) => answer.includes(end))) return
      end()
      cut.done()
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  const { port } = server.address() as AddressInfo
  return {
    url: Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(port) }).href,
    cut: (statement, moment) => new Promise((resolve) => { next = { statement, moment, done: resolve } }),
    sent: (statement) => statements.filter((text) => statement.test(text)).length,
    lead (otherUrl) { target = new URL(otherUrl) },
    lose () { lost = new WeakSet(sockets) },
    garble () { garbled = new WeakSet(sockets) },
    open: () => sockets.size / 2
  }
}
