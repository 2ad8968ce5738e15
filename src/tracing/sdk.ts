/**
 * The SDK of OpenTelemetry, for the server as a process of its own. Loaded only where the standard variables ask for
 * it: an application starts an SDK of its own.
 *
 * @module
 */
import { ERR_CONFIG } from '../errors.js'
import { version } from '../version.js'
import { exporterOf } from './is-on.js'

/** What `node dist/src/server.js` needs for traces. They are optional: they take 30 MB, and few need them. */
export const PACKAGES = [
  '@fastify/otel', '@opentelemetry/sdk-trace-node', '@opentelemetry/exporter-trace-otlp-proto',
  '@opentelemetry/exporter-trace-otlp-http'
]

export interface Sdk {
  /** The plugin of @fastify/otel, which makes the spans of requests. */
  instrumentation: unknown
  /** Sends what has not been sent, within the exporter's own time limit. Never fails. */
  shutdown (): Promise<void>
}

/** Starts recording. @throws {ERR_CONFIG} */
export async function startSdk (env: NodeJS.ProcessEnv): Promise<Sdk> {
  const [{ instrumentation }, sdk, resources] = await Promise.all([
    import('./requests.js'), import('@opentelemetry/sdk-trace-node'), import('@opentelemetry/resources')
  ]).catch(missing)
  const spanExporter = await exporter(env)
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = resources
  const own = resourceFromAttributes({ 'service.name': 'cashsouk-auth', 'service.version': version() })
  const provider = new sdk.NodeTracerProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come before ours.
    resource: defaultResource().merge(own).merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new sdk.BatchSpanProcessor(spanExporter)]
  })
  provider.register()
  return {
    instrumentation: instrumentation(),
    shutdown: async () => provider.shutdown().catch(() => {})
  }
}

async function exporter (env: NodeJS.ProcessEnv) {
  const name = exporterOf(env)
  if (name === 'console') return new (await import('@opentelemetry/sdk-trace-node')).ConsoleSpanExporter()
  if (name !== 'otlp') throw new ERR_CONFIG('OTEL_TRACES_EXPORTER must be otlp, console or none')
  // An empty variable counts as unset.
  const [protocol = 'http/protobuf'] =
    [env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, env.OTEL_EXPORTER_OTLP_PROTOCOL].filter((text = '') => text !== '')
  if (protocol === 'http/json') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http').catch(missing)
    return new OTLPTraceExporter()
  }
  if (protocol !== 'http/protobuf') {
    throw new ERR_CONFIG('OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf or http/json')
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto').catch(missing)
  return new OTLPTraceExporter()
}

function missing (error: NodeJS.ErrnoException): never {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  throw new ERR_CONFIG(`OTEL_… variables ask for traces, which need packages: npm install ${PACKAGES.join(' ')}`)
}
