import { Agent, type ClientRequest } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { Duplex } from 'node:stream'

/** How long a connection is kept for the next request, in milliseconds: less than any server keeps it, so that none is ended while it is sent. */
const IDLE_MS = 4000

/**
 * An agent for requests to `url`. A request that has not ended after `deadlineMs` loses its connection, whatever the
 * other side does: it connects slowly, sends a byte a second, or never ends. Connections are used again.
 */
export function boundedAgent (url: string, deadlineMs: number): Agent {
  const agent = url.startsWith('https:') ? new TlsAgent(OPTIONS) : new Agent(OPTIONS)
  const deadlines = new WeakMap<Duplex, NodeJS.Timeout>()
  const begin = (socket: Duplex) => {
    deadlines.set(socket, setTimeout(() => { socket.destroy(new Error(`the connection was ended after ${deadlineMs} ms`)) }, deadlineMs))
  }
  const end = (socket: Duplex) => { clearTimeout(deadlines.get(socket)) }

  const createConnection = agent.createConnection.bind(agent)
  const keepSocketAlive = agent.keepSocketAlive.bind(agent)
  const reuseSocket = agent.reuseSocket.bind(agent)
  // simple-oauth2 makes deep copies of its options: whichever copy is asked, this one agent keeps the connections.
  const { addRequest } = agent as unknown as { addRequest: (...args: unknown[]) => void }
  return Object.assign(agent, {
    addRequest (...args: unknown[]) { addRequest.apply(agent, args) },
    createConnection (...args: Parameters<Agent['createConnection']>) {
      const socket = createConnection(...args)
      if (socket !== null && socket !== undefined) {
        begin(socket)
        socket.once('close', () => { end(socket) })
      }
      return socket
    },
    keepSocketAlive (socket: Duplex) {
      end(socket)
      return keepSocketAlive(socket)
    },
    reuseSocket (socket: Duplex, request: ClientRequest) {
      begin(socket)
      reuseSocket(socket, request)
    }
  })
}

const OPTIONS = { keepAlive: true, timeout: IDLE_MS }
