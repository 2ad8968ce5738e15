/** Where every version 1 of @opentelemetry/api keeps what is registered, so that copies of it can be mixed. */
const API = Symbol.for('opentelemetry.js.api.1')

/** Whether spans are recorded in this process: an SDK has registered itself. Loads nothing. */
export function isTracingOn (): boolean {
  const registered = Reflect.get(globalThis, API) as { trace?: object } | undefined
  return registered?.trace !== undefined
}

/**
 * Whether the standard variables ask for traces.
 *
 * @see {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/}
 */
export function asksForTraces (env: NodeJS.ProcessEnv): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false
  return exporterOf(env) !== 'none'
}

/** `OTEL_TRACES_EXPORTER`. Its standard default, `otlp`, holds only where there is an endpoint. */
export function exporterOf (env: NodeJS.ProcessEnv): string {
  const { OTEL_TRACES_EXPORTER: exporter = '' } = env
  if (exporter !== '') return exporter
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own = '', OTEL_EXPORTER_OTLP_ENDPOINT: general = '' } = env
  return own + general === '' ? 'none' : 'otlp'
}
