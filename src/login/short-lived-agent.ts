import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'

/**
 * An agent for requests to `url`, each of which gets a connection of its own that lives for `lifetimeMs` at
 * most, whatever the other side does: it connects slowly, sends a byte a second, or never ends.
 */
export function shortLivedAgent (url: string, lifetimeMs: number): Agent {
  const agent = url.startsWith('https:') ? new TlsAgent() : new Agent()
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (...args) => {
    const socket = connect(...args)
    const timer = setTimeout(() => { socket?.destroy(new Error(`the connection was ended after ${lifetimeMs} ms`)) }, lifetimeMs)
    socket?.once('close', () => { clearTimeout(timer) })
    return socket
  }
  return agent
}
