/**
 * Warns before the session ends, lets the user stay, and says when it has ended.
 *
 * The server decides: `GET /api/auth/me?slide=false` tells how long the session has left, and asking does not extend
 * it. A tab in which the user stays tells the others to ask again.
 */
(() => {
  const { server = location.origin, warnSeconds = '120' } = document.currentScript.dataset

  /** WCAG 2.2.1: the user has at least 20 seconds to react. The requests must not use them up. */
  const MIN_WARN_S = 22
  const WARN_S = Math.max(Number(warnSeconds) || 0, MIN_WARN_S)
  /** The longest pause between two questions. While the warning is shown, another tab or portal may extend. */
  const POLL_S = 30
  const WARNED_POLL_S = 5
  /** The pause after a failure, and the limit of a request. */
  const RETRY_S = 3
  const TIMEOUT_S = 10

  const ENDED = {
    idle: 'You were signed out because you had not used the portal for a while.',
    absolute: 'You were signed out because your session had reached its longest duration.',
    signed_out: 'You have signed out.',
    ended_elsewhere: 'You were signed out from another device.',
    replaced: 'You were signed out because you signed in on another device.',
    role_lost: 'You were signed out because your access has changed.',
    provider: 'You were signed out because your sign-in is no longer valid.'
  }
  const ENDED_OTHERWISE = 'Your session has ended.'

  const part = (name) => document.getElementById(`session-${name}`)
  const dialog = part('warning')
  const tabs = new BroadcastChannel('session-warning')

  /** When the session ends, on the monotonic clock in milliseconds: the clock of the computer does not matter. */
  let endsAtMs = Infinity
  /** Whether the end is that of the absolute lifetime, which cannot be moved. */
  let isFinal = false
  /** The most that an answer has told, in seconds: of a short session, the warning covers half. */
  let longestS = 0
  /** Whether the user has closed what cannot be helped, to save or copy their work. */
  let isClosed = false
  /** `guest`: this page has not seen a session. */
  let state = 'guest'
  /** A later answer counts, and not an earlier one that arrives after it. */
  let asked = 0
  let isPolling = false
  /** Whether the question under way may have been answered before what made another one due. */
  let isDue = false
  let isExtending = false
  let pollTimer
  let tickTimer

  const leftSeconds = () => Math.max(0, Math.ceil((endsAtMs - performance.now()) / 1000))

  /** Asks the server. Resolves to undefined when it cannot tell. */
  async function ask (path, options = {}) {
    const number = ++asked
    const sentMs = performance.now()
    try {
      const response = await fetch(server + path, {
        credentials: 'include', cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_S * 1000), ...options
      })
      const answer = await response.json()
      if (number !== asked) return response.status
      if (response.status === 200) goesOn(answer, sentMs)
      else if (response.status === 401) hasEnded(answer.reason)
      return response.status
    } catch {
      return undefined
    }
  }

  /** @param sentMs the time counts from the question, so that a slow answer does not lengthen it. */
  function goesOn ({ expiresInSeconds, absoluteExpiresInSeconds }, sentMs) {
    endsAtMs = sentMs + expiresInSeconds * 1000
    isFinal = absoluteExpiresInSeconds - expiresInSeconds < 2
    longestS = Math.max(longestS, expiresInSeconds)
    if (leftSeconds() <= warnedSeconds()) warn()
    else dismiss()
  }

  function warnedSeconds () {
    return isFinal ? WARN_S : Math.min(WARN_S, Math.max(MIN_WARN_S, longestS / 2))
  }

  function warn () {
    part('title').textContent = isFinal ? 'Your session ends soon' : 'Are you still there?'
    part('text').textContent = isFinal
      ? 'It cannot be extended. Save your work, then sign in again.'
      : 'For your security, you will be signed out unless you choose to stay.'
    part('stay').hidden = isFinal
    part('sign-in').hidden = !isFinal
    part('close').hidden = !isFinal
    show('warned')
    clearInterval(tickTimer)
    tickTimer = setInterval(tick, 250)
    tick()
  }

  function dismiss () {
    state = 'signed-in'
    isClosed = false
    clearInterval(tickTimer)
    part('problem').textContent = ''
    if (dialog.open) dialog.close()
  }

  function hasEnded (reason) {
    // A page that never had a session has nothing to say.
    if (state === 'guest' || state === 'ended') return
    clearInterval(tickTimer)
    part('title').textContent = 'You are signed out'
    part('text').textContent = ENDED[reason] ?? ENDED_OTHERWISE
    part('left').textContent = ''
    part('problem').textContent = ''
    part('stay').hidden = true
    part('sign-in').hidden = false
    part('close').hidden = false
    show('ended')
  }

  function show (next) {
    if (next !== state) isClosed = false
    state = next
    part('sign-in').href = `${server}/api/auth/login?returnTo=${encodeURIComponent(location.href)}`
    if (isClosed) return
    if (!dialog.open) dialog.showModal()
    else if (state === 'ended') part('sign-in').focus()
  }

  function close () {
    isClosed = true
    dialog.close()
  }

  function tick () {
    const left = leftSeconds()
    const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
    if (part('left').textContent !== text) part('left').textContent = text
    if (left > 0) return
    clearInterval(tickTimer)
    // The server tells whole seconds: the session has up to one more.
    planPoll(1)
  }

  /** Asks, and plans the next question. */
  async function poll () {
    isDue = isPolling
    if (isPolling || isExtending) return
    isPolling = true
    const status = await ask('/api/auth/me?slide=false')
    isPolling = false
    const failed = status !== 200 && status !== 401
    if (failed && state === 'warned' && leftSeconds() === 0) {
      part('problem').textContent = 'The server does not answer. You may be signed out already.'
    }
    if (isDue) void poll()
    else planPoll(failed ? RETRY_S : pauseSeconds())
  }

  function planPoll (seconds) {
    clearTimeout(pollTimer)
    pollTimer = setTimeout(poll, seconds * 1000)
  }

  function pauseSeconds () {
    if (state === 'warned') return Math.min(WARNED_POLL_S, leftSeconds() + 1)
    if (state === 'signed-in') return Math.min(POLL_S, Math.max(1, leftSeconds() - warnedSeconds()))
    return POLL_S
  }

  async function stay () {
    if (isExtending) return
    isExtending = true
    part('problem').textContent = ''
    const status = await ask('/api/auth/extend', { method: 'POST' })
    isExtending = false
    if (status === 200) tabs.postMessage('extended')
    else if (status !== 401) part('problem').textContent = 'That did not work. Please try again.'
    planPoll(status === 200 ? pauseSeconds() : RETRY_S)
  }

  part('stay').addEventListener('click', () => { void stay() })
  part('close').addEventListener('click', close)
  // Where the user can stay, Escape must not hide that: it means the same as the button.
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault()
    if (state === 'warned' && !isFinal) void stay()
    else close()
  })
  tabs.addEventListener('message', () => { void poll() })
  // Timers of a hidden tab, and of a computer that slept, run late.
  document.addEventListener('visibilitychange', () => { if (!document.hidden) void poll() })
  window.addEventListener('online', () => { void poll() })
  void poll()
})()
