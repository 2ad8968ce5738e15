import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** Serves `app` until the end of the test, and returns its URL. */
export async function serve (t: Test, app: RequestListener): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface Answer {
  status: number
  text: string
  /** The parsed body if it is JSON, else empty. */
  json: Record<string, unknown>
  /** The `Set-Cookie` headers. */
  set: string[]
}

/** A client that keeps its cookies. */
export interface Agent {
  (path: string, options?: RequestInit & { origin?: string }): Promise<Answer>
  cookies: Map<string, string>
}

export function agent (origin: string): Agent {
  const cookies = new Map<string, string>()
  const request = async (
    path: string,
    { origin: other = origin, headers = {}, ...options }: RequestInit & { origin?: string } = {}
  ): Promise<Answer> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(other + path, {
      redirect: 'manual',
      ...options,
      headers: { ...(cookie === '' ? {} : { cookie }), ...(headers as Record<string, string>) }
    })
    const text = await response.text()
    const set = response.headers.getSetCookie()
    for (const line of set) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /Expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return {
      status: response.status,
      text,
      json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
      set
    }
  }
  return Object.assign(request, { cookies })
}

/** The id in a cookie of express-session, without the signature. */
export const idIn = (cookie: string | undefined): string | undefined =>
  /^s:([^.]+)\./.exec(decodeURIComponent(cookie ?? ''))?.[1]
