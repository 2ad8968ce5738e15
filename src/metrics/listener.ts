import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { ERR_CONFIG } from '../errors.js'

/** A few scrapers at once, each for a short time. */
const BOUNDS = { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000, connectionsCheckingInterval: 1000 }
const MAX_CONNECTIONS = 20
/** A scraper that does not read is dropped, in milliseconds. */
const IDLE_MS = 10_000

export interface MetricsListener { port: number, close (): Promise<void> }

/**
 * Serves `GET /metrics` in Prometheus' text format on a port of its own, and nothing else.
 *
 * @throws {ERR_CONFIG} if the port cannot be used.
 */
export async function listenForScrapers (
  register: Registry, { host, port }: { host: string, port: number }
): Promise<MetricsListener> {
  let rendering: Promise<string> | undefined
  // Scrapers that come together share one rendering.
  const render = () => {
    rendering ??= register.metrics().finally(() => { rendering = undefined })
    return rendering
  }
  const server = createServer(BOUNDS, (request, response) => {
    response.setHeader('connection', 'close')
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('cache-control', 'no-store')
    request.resume()
    const { url = '', method } = request
    if (url.split('?', 1)[0] !== '/metrics') refuse(response, 404)
    else if (method !== 'GET') refuse(response.setHeader('allow', 'GET'), 405)
    else {
      render().then(
        (text) => response.writeHead(200, { 'content-type': register.contentType }).end(text),
        () => { refuse(response, 500) }
      )
    }
  })
  server.maxConnections = MAX_CONNECTIONS
  server.setTimeout(IDLE_MS)
  server.listen({ host, port })
  await once(server, 'listening').catch((error: unknown) => { throw unusable(port, error) })
  return { port: (server.address() as AddressInfo).port, close: () => close(server) }
}

function refuse (response: ServerResponse, statusCode: number): void {
  response.writeHead(statusCode).end()
}

async function close (server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

function unusable (port: number, error: unknown): Error {
  const { code = 'unknown' } = error as NodeJS.ErrnoException
  return new ERR_CONFIG(code === 'EADDRINUSE'
    ? `METRICS_PORT ${port} is in use: stop the process that listens there, or set another`
    : `METRICS_PORT ${port} cannot be used: ${code}`)
}
