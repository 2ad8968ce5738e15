import type { RecordedEvent } from '../sessions/index.js'

/** The line of the log for an event: its columns without those that are null, and the request as `reqId`. */
export function logLine ({ id, type, requestId, count, ...columns }: RecordedEvent): Record<string, unknown> {
  const known = Object.entries(columns).filter(([, value]) => value !== null)
  return {
    event: type,
    eventId: id,
    ...Object.fromEntries(known),
    ...(requestId === null ? {} : { reqId: requestId }),
    ...(count === 1 ? {} : { count })
  }
}
