import type { IncomingHttpHeaders } from 'node:http'

/** Whether a request announces a body (RFC 9112 §6). */
export function announcesBody (headers: IncomingHttpHeaders): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers
  return encoding !== undefined || !/^0+$/.test(length)
}
