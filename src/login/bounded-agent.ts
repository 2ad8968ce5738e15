import { Agent, type ClientRequest } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { Duplex } from 'node:stream'
import { HttpsProxyAgent, type ProxyAgentRequestOptions } from 'hpagent'

/** How long an idle connection is kept. Shorter than servers keep it, so that none is closed while it is used. */
const IDLE_MS = 4000

const OPTIONS = { keepAlive: true, timeout: IDLE_MS }

/** A method of `Agent` that its types leave out. */
interface RequestQueue { addRequest: (...args: unknown[]) => void }

type Options = Parameters<Agent['createConnection']>[0]
type Callback = Parameters<Agent['createConnection']>[1]

const directAgent = (url: string): Agent => url.startsWith('https:') ? new TlsAgent(OPTIONS) : new Agent(OPTIONS)

function proxyAgent (proxy: string, deadlineMs: number): Agent {
  const { protocol, hostname, port, username, password } = new URL(proxy)
  const requestOptions: ProxyAgentRequestOptions & { readonly signal: AbortSignal } = {
    // Read for each connection.
    get signal () { return AbortSignal.timeout(deadlineMs) }
  }
  return new HttpsProxyAgent({
    ...OPTIONS,
    // Without the brackets of an IPv6 address, with which Node.js would look up a name.
    proxy: { protocol, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), port, username, password } as URL,
    proxyRequestOptions: requestOptions
  })
}

/**
 * An agent for requests to `url`. A request that has not ended after `deadlineMs` loses its connection, even if the
 * server connects slowly, sends a byte per second, or never ends its response. Connections are reused.
 *
 * @param proxy URL of the proxy through which https connections are made, each within `deadlineMs`.
 */
export function boundedAgent (url: string, deadlineMs: number, proxy?: string): Agent {
  const agent = proxy === undefined ? directAgent(url) : proxyAgent(proxy, deadlineMs)
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
    createConnection (options: Options, callback: Callback) {
      const watch = (socket: Duplex | null | undefined) => {
        if (socket === null || socket === undefined) return
        start(socket)
        socket.once('close', () => { stop(socket) })
      }
      // A connection through a proxy is handed to the callback, any other one is returned.
      const socket = createConnection(options, (error, tunnelled) => {
        watch(tunnelled)
        callback?.(error, tunnelled)
      })
      watch(socket)
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
