/**
 * A minimal browser for tests: cookies, redirects and forms.
 *
 * @module
 */
import { request, type RequestOptions } from 'node:http'
import { isIP } from 'node:net'

export interface Cookie {
  name: string
  value: string
  /** Without a leading dot. */
  domain: string
  /** Set without `Domain`: for this host only. */
  hostOnly: boolean
  path: string
  secure: boolean
  httpOnly: boolean
  sameSite: string
  /** Unix time in milliseconds; Infinity: until the browser is closed. */
  expires: number
}

export interface Page {
  method: string
  url: string
  status: number
  headers: Headers
  text: string
  /** The target of a redirect, as an absolute URL. */
  location: string | undefined
  /** The answers that led here, oldest first. */
  hops: Page[]
}

/** A port of 127.0.0.1 that serves an origin, and the headers that a TLS terminator would add. */
export type Via = number | { port: number, headers?: Record<string, string> }

export interface Options {
  headers?: Record<string, string>
  /** Default `follow`. */
  redirect?: 'manual' | 'follow'
  /** Sends only this request to that port; URL and `Host` stay the same. */
  via?: Via | undefined
  /** Origin of the page that sent the browser here; default: the same site's. */
  from?: string
}

const MAX_REDIRECTS = 20
/** The time limit of one request, in milliseconds. */
const TIMEOUT_MS = 30_000

export class Browser {
  readonly #via: Record<string, Via>
  #cookies: Cookie[] = []

  /** @param via where requests to these origins go. */
  constructor ({ via = {} }: { via?: Record<string, Via> } = {}) {
    this.#via = via
  }

  /** The cookies that have not expired. */
  get cookies (): readonly Cookie[] {
    return (this.#cookies = this.#cookies.filter(({ expires }) => expires > Date.now()))
  }

  cookie (name: string): Cookie | undefined {
    return this.cookies.find((cookie) => cookie.name === name)
  }

  clearCookies (): void {
    this.#cookies = []
  }

  /** Stores a `Set-Cookie` line as if it came from `url`. */
  setCookie (url: string, line: string): void {
    const cookie = parseCookie(new URL(url), line)
    if (cookie === undefined) return
    const { name, domain, path } = cookie
    this.#cookies = this.cookies.filter(
      (other) => other.name !== name || other.domain !== domain || other.path !== path
    )
    if (cookie.expires > Date.now()) this.#cookies.push(cookie)
  }

  /** The `Cookie` header of a request to this URL. */
  cookieHeader (
    url: string,
    { method = 'GET', from }: { method?: string, from?: string | undefined } = {}
  ): string {
    const { hostname, pathname, protocol } = new URL(url)
    const foreign = from !== undefined && !isSameSite(new URL(from).hostname, hostname)
    return this.cookies
      .filter(({ domain, hostOnly }) =>
        hostOnly ? domain === hostname : domainMatches(hostname, domain)
      )
      .filter(({ path }) => pathMatches(pathname, path))
      .filter(({ secure }) => !secure || protocol === 'https:')
      .filter(
        ({ sameSite }) =>
          !foreign || sameSite === 'none' || (sameSite === 'lax' && method === 'GET')
      )
      .toSorted((one, other) => other.path.length - one.path.length)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
  }

  get (url: string, options: Options = {}): Promise<Page> {
    return this.#go('GET', url, undefined, options)
  }

  /** Sends a form, with the `Origin` that a browser adds. */
  post (url: string, form: Record<string, string> = {}, options: Options = {}): Promise<Page> {
    return this.#go('POST', url, new URLSearchParams(form).toString(), options)
  }

  /** Any other request, with this browser's cookies. */
  send (method: string, url: string, options: Options & { body?: string } = {}): Promise<Page> {
    return this.#go(method, url, options.body, options)
  }

  /** Presses a button of a form on the page, named by its value or its text. */
  submit (page: Page, button: string, options: Options = {}): Promise<Page> {
    for (const [, attributes = '', content = ''] of page.text.matchAll(
      /<form\b([^>]*)>(.*?)<\/form>/gs
    )) {
      const pressed = [...content.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gs)].find(
        ([, own = '', text = '']) =>
          attribute(own, 'value') === button ||
          unescape(text.replaceAll(/<[^>]*>/g, '')).trim() === button
      )
      if (pressed === undefined) continue
      const fields = [...content.matchAll(/<input\b([^>]*)>/g)]
        .map(([, input = '']) => input)
        .concat(pressed[1] ?? '')
      const form = Object.fromEntries(
        fields.flatMap((field) => {
          const name = attribute(field, 'name')
          return name === undefined ? [] : [[name, attribute(field, 'value') ?? '']]
        })
      )
      const action = new URL(attribute(attributes, 'action') ?? '', page.url).href
      const from = new URL(page.url).origin
      if (attribute(attributes, 'method')?.toLowerCase() === 'post') {
        return this.post(action, form, { from, ...options })
      }
      return this.get(`${action}?${new URLSearchParams(form).toString()}`, { from, ...options })
    }
    throw new Error(`no button ${button} on ${page.url} (${page.status})`)
  }

  async #go (
    method: string,
    url: string,
    body: string | undefined,
    options: Options
  ): Promise<Page> {
    const hops: Page[] = []
    let page = await this.#request(method, url, body, options, hops)
    while (options.redirect !== 'manual' && page.location !== undefined) {
      hops.push(page)
      if (hops.length > MAX_REDIRECTS) throw new Error(`too many redirects at ${url}`)
      const { from, headers } = options
      page = await this.#request(
        'GET',
        page.location,
        undefined,
        { ...(headers && { headers }), ...(from !== undefined && { from }) },
        [...hops]
      )
    }
    return page
  }

  async #request (
    method: string,
    url: string,
    body: string | undefined,
    options: Options,
    hops: Page[]
  ): Promise<Page> {
    const { origin, hostname, host, port, pathname, search } = new URL(url)
    const via = options.via ?? this.#via[origin]
    const to = typeof via === 'number' ? { port: via } : via
    const cookie = this.cookieHeader(url, { method, from: options.from })
    const { status, headers, text } = await exchange(
      {
        host: to === undefined ? hostname : '127.0.0.1',
        port: to?.port ?? Number(port || 80),
        method,
        path: pathname + search,
        headers: {
          host,
          accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
          ...(method === 'GET' || method === 'HEAD' ? {} : { origin: options.from ?? origin }),
          ...(body === undefined
            ? {}
            : {
                'content-type': 'application/x-www-form-urlencoded',
                'content-length': String(Buffer.byteLength(body))
              }),
          ...(cookie === '' ? {} : { cookie }),
          ...to?.headers,
          ...options.headers
        }
      },
      body
    )
    for (const line of headers.getSetCookie()) this.setCookie(url, line)
    const location = status >= 300 && status < 400 ? headers.get('location') : null
    return {
      method,
      url,
      status,
      headers,
      text,
      location: location === null ? undefined : new URL(location, url).href,
      hops
    }
  }
}

export const browser = (options?: { via?: Record<string, Via> }): Browser => new Browser(options)

export interface SignIn {
  role?: string
  returnTo?: string
  /** Further parameters of `GET /api/auth/login`. */
  query?: Record<string, string>
  /** The sample user to sign in as, or the Cancel button. Default: alice, who is in no group. */
  person?: 'alice' | 'bob' | 'carol' | 'cancel'
  /** The instances of login and callback, if not the origin itself. */
  loginVia?: Via
  callbackVia?: Via
}

/** Starts a login and goes through the pool's page. Stops before the callback. */
export async function reachCallback (
  user: Browser,
  baseUrl: string,
  signIn: SignIn = {}
): Promise<{ callbackUrl: string, hops: Page[] }> {
  const { role, returnTo, query = {}, person = 'alice' } = signIn
  const parameters = {
    ...query,
    ...(role !== undefined && { role }),
    ...(returnTo !== undefined && { returnTo })
  }
  const hops = [
    await user.get(`${baseUrl}/api/auth/login?${new URLSearchParams(parameters).toString()}`, {
      redirect: 'manual',
      via: signIn.loginVia
    })
  ]
  for (let pressed = false; hops.length <= MAX_REDIRECTS;) {
    const page = hops.at(-1) as Page
    if (page.location === undefined) {
      if (page.status !== 200 || pressed) {
        throw new Error(`${page.method} ${page.url} answered ${page.status}: ${page.text}`)
      }
      hops.push(
        await user.submit(page, person === 'cancel' ? 'Cancel' : person, { redirect: 'manual' })
      )
      pressed = true
    } else if (page.location.startsWith(`${baseUrl}/api/auth/callback?`)) {
      return { callbackUrl: page.location, hops }
    } else {
      hops.push(await user.get(page.location, { redirect: 'manual' }))
    }
  }
  throw new Error('too many redirects on the way to the callback')
}

/** Signs in and returns the callback's answer, which is also the last hop. */
export async function signIn (
  user: Browser,
  baseUrl: string,
  options: SignIn = {}
): Promise<{ answer: Page, callbackUrl: string, hops: Page[] }> {
  const { callbackUrl, hops } = await reachCallback(user, baseUrl, options)
  const from = hops.at(-1)?.url
  const answer = await user.get(callbackUrl, {
    redirect: 'manual',
    via: options.callbackVia,
    ...(from !== undefined && { from })
  })
  return { answer, callbackUrl, hops: [...hops, answer] }
}

async function exchange (options: RequestOptions, body: string | undefined) {
  return new Promise<{ status: number, headers: Headers, text: string }>((resolve, reject) => {
    const outgoing = request({ ...options, agent: false, timeout: TIMEOUT_MS }, (incoming) => {
      const headers = new Headers()
      for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
        headers.append(incoming.rawHeaders[i] as string, incoming.rawHeaders[i + 1] as string)
      }
      let text = ''
      incoming.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).once('error', reject)
        .once('end', () => { resolve({ status: incoming.statusCode ?? 0, headers, text }) })
    })
    outgoing.once('error', reject).once('timeout', () => {
      outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`))
    })
    outgoing.end(body)
  })
}

/** RFC 6265 §5.2 and §5.3. Like browsers, it refuses `Secure` cookies over http and checks prefixed names. */
function parseCookie ({ hostname, pathname, protocol }: URL, line: string): Cookie | undefined {
  const [pair = '', ...rest] = line.split(';')
  const [name = '', value = ''] = split(pair)
  const attributes = new Map(rest.map((part) => split(part)).map(([key, text]) => [key.toLowerCase(), text]))
  const given = (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase()
  if (given !== '' && !domainMatches(hostname, given)) return undefined
  const secure = attributes.has('secure')
  if (name === '' || (secure && protocol !== 'https:')) return undefined
  const path = attributes.get('path') ?? ''
  if (/^__(host|secure)-/i.test(name) && !secure) return undefined
  if (/^__host-/i.test(name) && (given !== '' || path !== '/')) return undefined
  const maxAge = attributes.get('max-age')
  const expires = attributes.get('expires')
  const expiresMs = expires === undefined ? Infinity : Date.parse(expires)
  return {
    name,
    value,
    domain: given === '' ? hostname : given,
    hostOnly: given === '',
    path: path.startsWith('/') ? path : pathname.replace(/\/[^/]*$/, '') || '/',
    secure,
    httpOnly: attributes.has('httponly'),
    sameSite: (attributes.get('samesite') ?? 'lax').toLowerCase(),
    expires: maxAge === undefined ? expiresMs : Date.now() + Number(maxAge) * 1000
  }
}

function split (pair: string): [string, string] {
  const [name = '', ...value] = pair.split('=')
  return [name.trim(), value.join('=').trim()]
}

const domainMatches = (host: string, domain: string): boolean =>
  host === domain || (domain.includes('.') && isIP(host) === 0 && host.endsWith(`.${domain}`))

const pathMatches = (path: string, prefix: string): boolean =>
  path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)

/** Compares the last two labels, without the list of public suffixes. */
const isSameSite = (one: string, other: string): boolean =>
  one.split('.').slice(-2).join('.') === other.split('.').slice(-2).join('.')

function attribute (tag: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|\\s)${name}="([^"]*)"`, 'i').exec(tag)?.[1]
  return found === undefined ? undefined : unescape(found)
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' }

const unescape = (text: string): string =>
  text.replaceAll(
    /&(?:#(\d+)|#x([\da-f]+)|([a-z]+));/gi,
    (all, decimal?: string, hex?: string, name?: string) =>
      name !== undefined
        ? (ENTITIES[name] ?? all)
        : String.fromCodePoint(
            Number.parseInt(decimal ?? hex ?? '', decimal === undefined ? 16 : 10)
          )
  )
