import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface Balancer {
  /** The address for browsers: `PUBLIC_URL`. */
  origin: string
  /** Sends requests to these ports from now on, round robin. */
  target: (...ports: number[]) => void
  /** The number of requests per port. */
  served: Map<number, number>
}

/** A load balancer without sticky sessions. @param options.keepAlive whether it uses connections again. */
export async function balancer (t: Test, { keepAlive = false } = {}): Promise<Balancer> {
  const agent = keepAlive && new Agent({ keepAlive })
  const served = new Map<number, number>()
  let ports: number[] = []
  let next = 0
  const server = createServer((incoming, response) => {
    const port = ports[next++ % ports.length] ?? 0
    served.set(port, (served.get(port) ?? 0) + 1)
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method: incoming.method,
        path: incoming.url,
        headers: {
          ...incoming.headers,
          'x-forwarded-for': incoming.socket.remoteAddress,
          'x-forwarded-proto': 'http'
        },
        agent
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
        answer.pipe(response)
      }
    )
    outgoing.once('error', () => { response.writeHead(502).end() })
    incoming.pipe(outgoing)
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    if (agent !== false) agent.destroy()
    server.closeAllConnections()
    server.close()
  })
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    target (...given) {
      ports = given
      next = 0
    },
    served
  }
}
