/**
 * The requests that each connection repeats, and the checks of their answers.
 *
 * @module
 */
import { keptCookies } from '../../local/kept-cookies.js'
import { get, type Answer, type Connection } from './connection.js'

/** Sends one request, or one sign-in. Resolves to a description of a wrong answer. */
export type User = (connection: Connection) => Promise<string | undefined>

export type Plan =
  /** Reads each session in turn. The answer to `cookies[i]` must contain `expected[i]`. */
  | { kind: 'get', path: string, cookies: string[], expected: string[], setsCookie: boolean }
  /** The same, and each session must count its requests. */
  | { kind: 'count', path: string, cookies: string[], expected: string[] }
  /** A login and its callback. Every so often `/api/auth/me` must contain `expected`. */
  | { kind: 'sign-in', expected: string }

/** Sign-ins per request to `/api/auth/me`, which is not the subject of that measurement. */
const SIGN_INS_PER_ME = 50

/** One user for each connection. They share no session, so that each can check what its sessions hold. */
export function users (plan: Plan, connections: number): User[] {
  return Array.from({ length: connections }, (_, index) => {
    if (plan.kind === 'sign-in') return signsIn(plan.expected)
    const own = sessionsOf(plan).filter((_, n) => n % connections === index)
    return plan.kind === 'get' ? reads(own, plan.setsCookie) : counts(own)
  })
}

interface Session { request: string, expected: string }

const sessionsOf = ({ path, cookies, expected }: { path: string, cookies: string[], expected: string[] }): Session[] =>
  cookies.map((cookie, n) => ({ request: get(path, cookie), expected: expected[n] ?? '' }))

function reads (sessions: Session[], setsCookie: boolean): User {
  let next = 0
  return async (connection) => {
    const { request, expected } = sessions[next++ % sessions.length] as Session
    const { status, head, body } = await connection.send(request)
    if (status !== 200 || !(body.includes(expected) || head.includes(expected))) return `${status} ${body}`
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
    const answer = await signInOnce(connection)
    const session = cookiesOf(answer.head)
    // express-openid-connect redirects with 302.
    if (![302, 303].includes(answer.status) || session === '') return `sign-in: ${answer.status} ${answer.body}`
    if (rounds++ % SIGN_INS_PER_ME !== 0) return undefined
    const me = await connection.send(get('/api/auth/me', session))
    return me.status === 200 && me.body.includes(expected) ? undefined : `me: ${me.status} ${me.body}`
  }
}

/** A login and its callback. Resolves to the answer of the callback, or of the login if that failed. */
export async function signInOnce (connection: Connection): Promise<Answer> {
  const login = await connection.send(get('/api/auth/login'))
  const location = new URL(/\r\nlocation: (\S+)/i.exec(login.head)?.[1] ?? 'http://nowhere.invalid')
  const { state, nonce } = Object.fromEntries(location.searchParams)
  if (login.status !== 302 || state === undefined || nonce === undefined) return login
  const path = `/api/auth/callback?${new URLSearchParams({ code: nonce, state }).toString()}`
  return await connection.send(get(path, cookiesOf(login.head)))
}

/** The `Cookie` header for the request after this answer, without the cookies that it clears. */
export const cookiesOf = (head: string): string =>
  keptCookies([...head.matchAll(/\r\nset-cookie: ([^\r]*)/gi)].map(([, line = '']) => line))
