/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/), as headers and cookies have it.
 *
 * @module
 */
import { isSpanContextValid, TraceFlags, type SpanContext } from '@opentelemetry/api'

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

export function parseTraceparent (text: string): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
  return isSpanContextValid(context) ? context : undefined
}

export const formatTraceparent = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`

const proxies = new WeakMap<object, SpanContext>()

/** The context that a proxy sent with a callback, which continues the trace of its login instead. */
export const proxyContext = (request: object): SpanContext | undefined => proxies.get(request)

export function keepProxyContext (request: object, context: SpanContext): void {
  proxies.set(request, context)
}
