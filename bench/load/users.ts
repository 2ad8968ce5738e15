/**
 * What each connection does again and again, and how it knows that it was answered rightly.
 *
 * @module
 */
import { get, type Connection } from './connection.js'

/** Does one thing. Resolves to what was wrong with the answer, or to nothing. */
export type User = (connection: Connection) => Promise<string | undefined>

export type Plan =
  /** Reads sessions in turn. `cookies[i]` must be answered with `expected[i]`, all of the body or a part of it. */
  | { kind: 'get', path: string, cookies: string[], expected: string[], setsCookie: boolean }
  /** As before, and each session must have counted one more than the time before. */
  | { kind: 'count', path: string, cookies: string[], expected: string[] }
  /** A login and its callback. Afterwards `mePath` must know who it was. */
  | { kind: 'sign-in', expected: string }

/** One user for each connection. No two share a session, so that each knows what its sessions hold. */
export function users (plan: Plan, connections: number): User[] {
  return Array.from({ length: connections }, (_, index) => {
    if (plan.kind === 'sign-in') return signsIn(plan.expected)
    const own = plan.cookies.flatMap((cookie, n) => n % connections === index ? [{ request: get(plan.path, cookie), expected: plan.expected[n] ?? '' }] : [])
    return plan.kind === 'get' ? reads(own, plan.setsCookie) : counts(own)
  })
}

interface Session { request: string, expected: string }

function reads (sessions: Session[], setsCookie: boolean): User {
  let next = 0
  return async (connection) => {
    const { request, expected } = sessions[next++ % sessions.length] as Session
    const { status, head, body } = await connection.send(request)
    if (status !== 200 || !body.includes(expected)) return `${status} ${body}`
    // Express writes `Set-Cookie`, Fastify `set-cookie`.
    return setsCookie && !/\r\nset-cookie: /i.test(head) ? 'the cookie was not renewed' : undefined
  }
}

function counts (sessions: Session[]): User {
  const seen = new Map<Session, number>()
  let next = 0
  return async (connection) => {
    const session = sessions[next++ % sessions.length] as Session
    const { status, body } = await connection.send(session.request)
    const count = Number(/"n":(\d+)/.exec(body)?.[1])
    const before = seen.get(session) ?? 0
    seen.set(session, count)
    if (status !== 200 || !body.includes(session.expected)) return `${status} ${body}`
    return count === before + 1 ? undefined : `counted ${count} after ${before}`
  }
}

function signsIn (expected: string): User {
  let rounds = 0
  return async (connection) => {
    const login = await connection.send(get('/api/auth/login'))
    const to = new URL(/\r\nlocation: (\S+)/i.exec(login.head)?.[1] ?? 'http://nowhere.invalid')
    const { state, nonce } = Object.fromEntries(to.searchParams)
    if (login.status !== 302 || state === undefined || nonce === undefined) return `login: ${login.status} ${login.body}`
    const path = `/api/auth/callback?${new URLSearchParams({ code: nonce, state }).toString()}`
    const callback = await connection.send(get(path, cookies(login.head)))
    const session = cookies(callback.head)
    if (callback.status !== 303 || session === '') return `callback: ${callback.status} ${callback.body}`
    if (rounds++ % 50 !== 0) return undefined
    // Not at every round: this is about the sign-in.
    const me = await connection.send(get('/api/auth/me', session))
    return me.status === 200 && me.body.includes(expected) ? undefined : `me: ${me.status} ${me.body}`
  }
}

/** Of an answer, without those that it clears, as the next request has them. */
const cookies = (head: string): string =>
  [...head.matchAll(/\r\nset-cookie: ([^;\r]+)([^\r]*)/gi)].filter(([, , attributes]) => !/max-age=0|1970/i.test(attributes ?? ''))
    .map(([, pair]) => pair).join('; ')
