import type { ProxyAgent } from 'undici'

/** `fetch` through a proxy: the built-in one of Node.js 20 knows none. @param proxy its URL. */
export function proxiedFetch (proxy: string): typeof fetch {
  let agent: ProxyAgent | undefined
  return async (input, init) => {
    // Loaded when it is needed: without a proxy it would only slow the start down.
    const undici = await import('undici')
    agent ??= new undici.ProxyAgent({ uri: proxy })
    return await undici.fetch(input as string, { ...(init as object), dispatcher: agent })
  }
}
