import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A span as OTLP/HTTP has it in JSON. */
export interface CollectedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: Record<string, unknown>
  links: { traceId: string, spanId: string }[]
  status: { code?: number, message?: string }
}

interface Sent {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: { spans: (Omit<CollectedSpan, 'attributes' | 'links'> & Pick<Partial<CollectedSpan>, 'links'> & {
      attributes: Attribute[]
    })[] }[]
  }[]
}

interface Attribute { key: string, value: Record<string, unknown> }

export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  url: string
  spans: CollectedSpan[]
  resource: Record<string, unknown>
  /** The bodies as they came, with paths and content types. */
  received: { path: string, type: string, text: string }[]
}

const values = (attributes: Attribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

/** Stands in for a collector of OpenTelemetry: OTLP over HTTP, in JSON. */
export async function collector (t: Test): Promise<Collector> {
  const collected: Collector = { url: '', spans: [], resource: {}, received: [] }
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => {
      const type = request.headers['content-type'] ?? ''
      collected.received.push({ path: request.url ?? '', type, text })
      if (type === 'application/json') keep(collected, JSON.parse(text) as Sent)
      response.setHeader('content-type', 'application/json').end('{}')
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  collected.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return collected
}

function keep (collected: Collector, { resourceSpans }: Sent): void {
  for (const { resource, scopeSpans } of resourceSpans) {
    collected.resource = values(resource.attributes)
    for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
      collected.spans.push({ ...span, attributes: values(span.attributes), links: span.links ?? [] })
    }
  }
}
