import { proxyFor, type Egress } from '../../login/egress-proxy.js'
import { proxiedFetch } from '../../login/proxied-fetch.js'
import { troubleOf } from '../database/trouble.js'
import { authorityOf } from './authority.js'

const TIMEOUT_MS = 5000
/** The longest answer that is read. */
const MAX_BYTES = 64 * 1024

export interface Answer { status: number, location: string | null, text: string }

/** Why there was no answer, for a person. */
export interface NoAnswer { problem: string, advice: string }

export interface Ask { egress: Egress, method?: 'GET' | 'POST', headers?: Record<string, string>, body?: string }

/** Asks once, without following a redirect, within 5 s. */
export async function ask (url: string, { egress, ...init }: Ask): Promise<Answer | NoAnswer> {
  const proxy = proxyFor(url, egress)
  const request = proxy === undefined ? fetch : proxiedFetch(proxy)
  try {
    const response = await request(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { status: response.status, location: response.headers.get('location'), text: await beginningOf(response) }
  } catch (error) {
    return noAnswer(error, url, proxy)
  }
}

async function beginningOf ({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += (chunk as Uint8Array).byteLength
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (bytes > MAX_BYTES) break
  }
  return text
}

async function noAnswer (error: unknown, url: string, proxy: string | undefined): Promise<NoAnswer> {
  const { name, cause } = error as Error
  if (name === 'TimeoutError') {
    return { problem: `no answer within ${TIMEOUT_MS / 1000} s`, advice: 'look at the route to it, or at HTTPS_PROXY' }
  }
  const { kind, problem } = troubleOf(cause ?? error)
  const { hostname, port } = new URL(url)
  const isUnknownAuthority = kind === 'tls' && problem.includes('authority') && proxy === undefined
  const server = { host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port || 443), isPostgres: false }
  const authority = isUnknownAuthority ? await authorityOf(server) : undefined
  const named = authority === undefined ? problem : `${problem}: ${authority}`
  return { problem: named, advice: ADVICE[kind] ?? ADVICE.other }
}

const ADVICE: Partial<Record<string, string>> & { other: string } = {
  dns: 'correct the name, or the name server of this machine',
  refused: 'nothing listens there: correct the address',
  tls: 'name the file of the authority in NODE_EXTRA_CA_CERTS, or correct the address',
  other: 'look at the route to it, or at HTTPS_PROXY'
}
