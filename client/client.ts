import { now, since, type Moment } from './clock.js'
import { here, mayLeave, postForm } from './navigation.js'
import { authError, bodyOf, request } from './request.js'
import { readKept } from './storage.js'
import type {
  AuthClient, AuthError, AuthEvent, AuthState, ClientOptions, EndReason, LoginParameters, Session
} from './types.js'

/** WCAG 2.2.1: the user has at least 20 seconds to react. The requests must not use them up. */
const MIN_WARN_S = 22
/** The longest pause between two questions. While the warning is shown, another portal may extend. */
const POLL_S = 30
const WARNED_POLL_S = 5
/** The pause after a failure: twice as long, and doubled with each further one. */
const RETRY_S = 1.5
const MIN_PAUSE_MS = 1000
/** After so many failures in a row, an answer that the session's device is missing tells that it has ended. */
const DEVICE_FAILURES = 3
/** Clocks are looked at this often, because timers stand still while the computer sleeps. */
const BEAT_MS = 5000
/** A navigation that has not happened by then was given up. */
const LEAVING_MS = 10_000

/** What one tab has learned. */
interface Known { session?: Session, reason?: EndReason }

/** {@link AuthState}, whichever it is. */
interface AnyState {
  status: AuthState['status']
  session?: Session
  reason?: EndReason
  isWarned?: boolean
  canExtend?: boolean
}

/** A client of one sign-in server. Where there is no document it asks nothing, and its state stays `unknown`. */
export function createClient ({
  baseUrl = '', path = '/api/auth', warnSeconds = 120, onRecentSignIn
}: ClientOptions = {}): AuthClient {
  const api = baseUrl.replace(/\/$/, '') + path
  const isBrowser = typeof document !== 'undefined'
  const listeners = new Set<(event: AuthEvent) => void>()
  const running = new Map<string, Promise<unknown>>()
  const watchers = new Set<object>()
  let channel: BroadcastChannel | undefined
  let state: AnyState = { status: 'unknown' }
  /** When what `state` tells was asked: later answers count. */
  let asOf: Moment = { wall: 0, monotonic: -Infinity }
  let askedMs = -Infinity
  let expiresInMs = 0
  /** The most that an answer has told: of a short session, the warning covers half. */
  let longestS = 0
  let failures = 0
  let isLeaving = false
  /** Whether the question under way may have been answered before what made another one due. */
  let isDue = false
  /** When the next question is planned: so long after that moment. */
  let plannedAt = asOf
  let pauseMs = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function emit (type: AuthEvent['type'], error?: AuthError): void {
    for (const listener of listeners) {
      try {
        listener({ type, error })
      } catch (thrown) {
        reportError(thrown)
      }
    }
  }

  const leftMs = () => Math.max(0, expiresInMs - since(asOf))
  const secondsLeft = () => Math.ceil(leftMs() / 1000)

  const warnedSeconds = ({ canExtend }: AnyState) =>
    Math.max(MIN_WARN_S, Math.min(warnSeconds, canExtend ? longestS / 2 : Infinity))

  /** Sees whether the state is another one, whether the warning is due, and plans the next question. */
  function become (next: AnyState): void {
    const isWarned = secondsLeft() <= warnedSeconds(next)
    if (next.session && next.isWarned !== isWarned) next = { ...next, isWarned }
    if (next !== state) {
      state = next
      emit('change')
    }
    plan(nextPauseMs())
  }

  /** @returns whether it is news. */
  function learn ({ session, reason = 'none' }: Known, at: Moment): boolean {
    if (at.monotonic < asOf.monotonic) return false
    asOf = at
    failures = 0
    if (session === undefined) {
      expiresInMs = 0
      if (reason === 'signed_out') readKept()
      become(state.reason === reason ? state : { status: longestS > 0 ? 'ended' : 'guest', reason })
    } else {
      const { expiresInSeconds, absoluteExpiresInSeconds, user } = session
      expiresInMs = expiresInSeconds * 1000
      longestS = Math.max(1, longestS, expiresInSeconds)
      // Drops another user's.
      readKept(user.sub)
      become({ status: 'signed-in', session, canExtend: absoluteExpiresInSeconds - expiresInSeconds > 1 })
    }
    return true
  }

  function share (known: Known, at: Moment): void {
    if (learn(known, at)) channel?.postMessage({ ...known, wall: at.wall })
  }

  function listen (): void {
    if (typeof BroadcastChannel === 'undefined') return
    channel = new BroadcastChannel(`cashsouk-auth:${api}`)
    channel.onmessage = ({ data }: MessageEvent<Known & { wall: number }>) => {
      const { wall } = data
      // Tabs share the computer's clock, and not the monotonic one.
      learn(data, { wall, monotonic: performance.now() - Math.max(0, Date.now() - wall) })
    }
  }

  /** One call at a time; others that ask the same get its answer. */
  function once<Result> (key: string, call: () => Promise<Result>): Promise<Result> {
    const started = running.get(key) as Promise<Result> | undefined ??
      call().finally(() => { running.delete(key) })
    running.set(key, started)
    return started
  }

  const ask = (method: string, route: string) => once(route, async (): Promise<Session | undefined> => {
    const at = now()
    askedMs = at.monotonic
    try {
      const body = await request(api + route, method)
      if (body.user) share({ session: body as unknown as Session }, at)
      else {
        // A browser whose device did not answer in time may have its cookie at the next question.
        const isMissing = body.reason === 'device' && failures < DEVICE_FAILURES
        if (isMissing || body.code !== 'ERR_UNAUTHENTICATED') throw authError(body)
        share({ reason: body.reason as EndReason }, at)
      }
    } catch (error) {
      failures++
      become(state)
      throw error
    }
    return state.session
  })

  const me = ({ slide = true } = {}) => ask('GET', slide ? '/me' : '/me?slide=false')
  const look = () => ask('GET', '/me?slide=false').catch((error: unknown) => { emit('error', error as AuthError) })

  /** Asks in the background, a second after the last question at the earliest. */
  async function poll (): Promise<void> {
    if (watchers.size === 0) return
    isDue = running.size > 0
    const waitMs = isDue ? Infinity : askedMs + MIN_PAUSE_MS - performance.now()
    if (waitMs > 0) return plan(waitMs)
    plan(Infinity)
    await look()
    if (isDue) plan(MIN_PAUSE_MS)
  }

  function nextPauseMs (): number {
    if (failures > 0) return Math.min(POLL_S, RETRY_S * 2 ** failures) * 1000
    if (!state.session) return state.reason ? Infinity : 0
    const seconds = state.isWarned
      ? Math.min(WARNED_POLL_S, secondsLeft() + 1)
      : Math.min(POLL_S, Math.max(1, secondsLeft() - warnedSeconds(state)))
    // The first of several tabs to ask tells the others.
    return (seconds + Math.random()) * 1000
  }

  function plan (ms: number): void {
    plannedAt = now()
    pauseMs = ms
    beat()
  }

  function beat (): void {
    clearTimeout(timer)
    if (watchers.size === 0) return
    const { isWarned } = state
    if (isWarned) emit('tick')
    const restMs = pauseMs - since(plannedAt)
    if (restMs <= 0) void poll()
    else if (isWarned || restMs < Infinity) {
      timer = setTimeout(beat, Math.min(restMs, isWarned ? leftMs() % 1000 + 5 : BEAT_MS))
    }
  }

  function watch (): () => void {
    const watcher = {}
    if (isBrowser) watchers.add(watcher)
    plan(nextPauseMs())
    return () => {
      watchers.delete(watcher)
      beat()
    }
  }

  // Undefined values are left out.
  const signInUrl = (parameters?: LoginParameters) => `${api}/login?${new URLSearchParams(
    JSON.parse(JSON.stringify({ returnTo: isBrowser ? here() : undefined, ...parameters })) as Record<string, string>
  ).toString()}`

  function signIn (parameters: LoginParameters = {}): boolean {
    if (isLeaving) return true
    isLeaving = mayLeave('max_age' in parameters)
    if (isLeaving) {
      setTimeout(() => { isLeaving = false }, LEAVING_MS)
      emit('leave')
      location.href = signInUrl(parameters)
    } else emit('error', authError({ code: 'SIGN_IN_LOOP' }))
    return isLeaving
  }

  async function signOut (parameters?: { returnTo?: string | undefined }): Promise<void> {
    const returnTo = parameters?.returnTo
    const url = `${api}/logout?${new URLSearchParams(returnTo && { returnTo }).toString()}`
    const answer = await request(url, 'POST').catch(() => undefined)
    if (typeof answer?.logoutUrl !== 'string') return postForm(url)
    share({ reason: 'signed_out' }, now())
    location.href = answer.logoutUrl
  }

  /** A refusal says that its route wants a recent sign-in, or that the session may have ended. */
  async function fetchSignedIn (input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const response = await fetch(input, { credentials: 'include', ...init })
    if (response.status !== 401) return response
    const { code } = await bodyOf(response.clone())
    if (code === 'ERR_RECENT_SIGN_IN') {
      // Where a page of another origin cannot read the header, a sign-in of just now is recent enough.
      const maxAge = Number(/max_age=(\d+)/.exec(response.headers.get('www-authenticate') ?? '')?.[1] ?? 0)
      if (onRecentSignIn === undefined) signIn({ max_age: maxAge })
      else onRecentSignIn(maxAge)
    } else if (!state.reason && (running.size > 0 || performance.now() - askedMs > MIN_PAUSE_MS)) await look()
    return response
  }

  function subscribe (listener: (event: AuthEvent) => void): () => void {
    listeners.add(listener)
    return () => { listeners.delete(listener) }
  }

  if (isBrowser) {
    listen()
    // A message would drop the page from the memory for the back button.
    addEventListener('pagehide', () => {
      channel?.close()
      // A link to the login, or a reload.
      if (state.reason && state.reason !== 'signed_out') emit('leave')
    })
    addEventListener('pageshow', ({ persisted }) => {
      if (!persisted) return
      isLeaving = false
      listen()
      void look()
    })
    addEventListener('online', () => { void poll() })
    addEventListener('visibilitychange', () => {
      if (!document.hidden && since(asOf) > BEAT_MS) void poll()
    })
  }

  return {
    get state () { return state as AuthState },
    secondsLeft,
    me,
    extend: () => ask('POST', '/extend'),
    signOut,
    signInUrl,
    signIn,
    fetch: fetchSignedIn,
    watch,
    subscribe
  }
}
