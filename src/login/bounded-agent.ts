import { Agent, type ClientRequest } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { Duplex } from 'node:stream'

/** How long an idle connection is kept. Shorter than servers keep it, so that none is closed while it is used. */
const IDLE_MS = 4000

const OPTIONS = { keepAlive: true, timeout: IDLE_MS }

/** A method of `Agent` that its types leave out. */
interface RequestQueue { addRequest: (...args: unknown[]) => void }

/**
 * An agent for requests to `url`. A request that has not ended after `deadlineMs` loses its connection, even if the
 * server connects slowly, sends a byte per second, or never ends its response. Connections are reused.
 */
export function boundedAgent (url: string, deadlineMs: number): Agent {
  const agent = url.startsWith('https:') ? new TlsAgent(OPTIONS) : new Agent(OPTIONS)
  const timers = new WeakMap<Duplex, NodeJS.Timeout>()
  const expire = (socket: Duplex) => {
    socket.destroy(new Error(`the connection was closed after ${deadlineMs} ms`))
  }
  const start = (socket: Duplex) => { timers.set(socket, setTimeout(expire, deadlineMs, socket)) }
  const stop = (socket: Duplex) => { clearTimeout(timers.get(socket)) }

  const createConnection = agent.createConnection.bind(agent)
  const keepSocketAlive = agent.keepSocketAlive.bind(agent)
  const reuseSocket = agent.reuseSocket.bind(agent)
  const { addRequest } = agent as unknown as RequestQueue
  return Object.assign(agent, {
    // simple-oauth2 deep-copies its options. Every copy uses the connections of this one agent.
    addRequest (...args: unknown[]) { addRequest.apply(agent, args) },
    createConnection (...args: Parameters<Agent['createConnection']>) {
      const socket = createConnection(...args)
      if (socket !== null && socket !== undefined) {
        start(socket)
        socket.once('close', () => { stop(socket) })
      }
      return socket
    },
    keepSocketAlive (socket: Duplex) {
      stop(socket)
      return keepSocketAlive(socket)
    },
    reuseSocket (socket: Duplex, request: ClientRequest) {
      start(socket)
      reuseSocket(socket, request)
    }
  })
}
