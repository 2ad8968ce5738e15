/**
 * People who sign in, look at pages and sign out, all the time, and hold the server to what it told them.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, cookieOf, keptConnections, type Answer } from './http.js'
import { codeIn, type Entry, Ledger } from './ledger.js'

/** Between two actions of one person, in milliseconds. */
const PAUSE_MS = 100
/** Every so manieth session is kept, and looked at again after the fault. */
const KEPT_OF = 3
/** Sessions that are looked at again after a fault. */
const MAX_AUDITED = 3000
const AUDIT_LANES = 8
/** An audit asks again while the server answers with a 5xx. */
const AUDIT_TRIES = 20

export interface People {
  ledger: Ledger
  /** Stops them. Resolves when all have finished what they were doing. */
  stop (): Promise<void>
  /** Looks again at every session whose state is known. */
  audit (): Promise<void>
}

/** @param url of the server, as browsers see it. */
export function startPeople (url: string, count: number, pauseMs = PAUSE_MS): People {
  const ledger = new Ledger()
  const agent = keptConnections()
  let isStopped = false
  const send = (what: string, path: string, cookie: string, method = 'GET') =>
    ledger.record(what, () => ask(`${url}${path}`, {
      method,
      agent,
      headers: {
        cookie,
        accept: what === 'callback' ? 'text/html' : 'application/json',
        ...(method === 'GET' ? {} : { origin: url })
      }
    }))

  async function person (): Promise<void> {
    for (let n = 0; !isStopped; n++) {
      const entry = await signIn(ledger, send)
      if (entry !== undefined) await use(entry, n % KEPT_OF === 0)
      await sleep(pauseMs)
    }
  }

  async function use (entry: Entry, isKept: boolean): Promise<void> {
    for (let look = 0; look < 3 && !isStopped; look++) {
      await sleep(pauseMs)
      await expect(ledger, send, entry)
    }
    if (isKept || isStopped) return
    const answer = await send('sign-out', '/api/auth/logout', entry.cookie, 'POST')
    if (answer?.status !== 200) {
      entry.state = 'unknown'
      return
    }
    entry.state = 'ended'
    ledger.signOuts++
    await expect(ledger, send, entry)
  }

  const running = Promise.all(Array.from({ length: count }, person))
  return {
    ledger,
    async stop () {
      isStopped = true
      await running
    },
    async audit () {
      const known = ledger.entries.filter(({ state }) => state !== 'unknown').slice(-MAX_AUDITED)
      const quiet = new Ledger()
      const look = async (entry: Entry) => {
        for (let tries = 0; tries < AUDIT_TRIES; tries++) {
          if (await expect(ledger, (...args) => quiet.record(args[0], () => ask(`${url}${args[1]}`, {
            agent, headers: { cookie: args[2] }
          })), entry)) return
          await sleep(PAUSE_MS)
        }
        throw new Error('a session could not be looked at after the fault')
      }
      await Promise.all(Array.from({ length: AUDIT_LANES }, async (_, lane) => {
        for (const [n, entry] of known.entries()) {
          if (n % AUDIT_LANES === lane) await look(entry)
        }
      }))
      agent.destroy()
    }
  }
}

type Send = (what: string, path: string, cookie: string, method?: string) => Promise<Answer | undefined>

/** As a browser does: a page that starts the login again by itself is followed, once. */
async function signIn (ledger: Ledger, send: Send): Promise<Entry | undefined> {
  let callback = await logIn(send, '/api/auth/login')
  const again = callback === undefined ? undefined : refreshOf(callback)
  if (again !== undefined) {
    ledger.restartedLogins++
    callback = await logIn(send, again)
  }
  if (callback === undefined) return undefined
  if (callback.status !== 303) {
    ledger.lostLogins.push(`${callback.status} ${codeIn(callback.body)}`)
    return undefined
  }
  const entry: Entry = { cookie: cookieOf(callback), state: 'live' }
  ledger.entries.push(entry)
  ledger.signIns++
  return entry
}

/** A login and its callback. Resolves to the answer of the callback; undefined if one of them failed. */
async function logIn (send: Send, path: string): Promise<Answer | undefined> {
  const login = await send('login', path, '')
  if (login === undefined) return undefined
  const location = new URL(login.headers.location ?? 'http://nowhere.invalid')
  const { state = '', nonce = '' } = Object.fromEntries(location.searchParams)
  const query = new URLSearchParams({ code: nonce, state }).toString()
  return await send('callback', `/api/auth/callback?${query}`, cookieOf(login))
}

/** Where a page leads by itself. */
function refreshOf ({ body }: Answer): string | undefined {
  return /<meta http-equiv="refresh" content="0;url=([^"]+)">/.exec(body)?.[1]?.replaceAll('&amp;', '&')
}

/** Whether there was an answer. One that contradicts what was acknowledged is written down. */
async function expect (ledger: Ledger, send: Send, entry: Entry): Promise<boolean> {
  if (entry.state === 'unknown') return true
  const answer = await send('me', '/api/auth/me', entry.cookie)
  if (answer === undefined) return false
  if (entry.state === 'live' && answer.status !== 200) {
    ledger.lost.push(`${answer.status} ${codeIn(answer.body)}`)
    entry.state = 'unknown'
  }
  if (entry.state === 'ended' && answer.status !== 401) {
    ledger.undone.push(`${answer.status}`)
    entry.state = 'unknown'
  }
  return true
}
