/**
 * Servers that do not answer.
 *
 * @module
 */
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { start } from './process.js'

const LISTEN = `
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: Number(process.argv[1]) }, () => {
    console.log('port', server.address().port)
  })`

/** As many wait for a backlog of one, and a few more that were accepted before the process stopped. */
const MAX_WAITING = 20
/** A connection to loopback takes less. In milliseconds. */
const CONNECT_TIMEOUT_MS = 300

/** The port of a process that was stopped: its kernel still makes connections, and nothing is answered. */
export async function stoppedPort (t: Test, backlog = 511): Promise<number> {
  const server = start(t, process.execPath, ['-e', LISTEN, String(backlog)])
  const [, port] = await server.seen(/port (\d+)/)
  server.child.kill('SIGSTOP')
  t.teardown(() => server.stop('SIGKILL'))
  return Number(port)
}

/** A port to which no connection is made, nor refused, as if its machine had gone: too many wait already. */
export async function silentPort (t: Test): Promise<number> {
  const port = await stoppedPort(t, 1)
  const waiting: Socket[] = []
  t.teardown(() => { for (const socket of waiting) socket.destroy() })
  const isConnected = () => new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { resolve(true) })
    waiting.push(socket.on('error', () => {}))
    setTimeout(() => { resolve(false) }, CONNECT_TIMEOUT_MS)
  })
  while (await isConnected()) {
    if (waiting.length > MAX_WAITING) throw new Error(`port ${port} still takes connections`)
  }
  return port
}
