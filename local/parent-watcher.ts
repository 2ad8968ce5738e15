import closeWithGrace from 'close-with-grace'

const POLL_MS = 500

/**
 * Sends SIGTERM to this process once npm, its parent, has ended.
 *
 * npm passes SIGTERM to the shell that it started, and the shell ends without passing it on, so the server
 * would keep running. Ctrl-C reaches all three processes.
 *
 * @param env nothing is watched unless it is the environment of an npm script.
 */
export function endWithNpm (env: NodeJS.ProcessEnv): void {
  if (env.npm_lifecycle_event === undefined) return
  const { ppid } = process
  const timer = setInterval(() => {
    if (process.ppid === ppid) return
    clearInterval(timer)
    // A second signal would end it before its services are closed.
    if (!(closeWithGrace as { closing?: boolean }).closing) process.kill(process.pid, 'SIGTERM')
  }, POLL_MS).unref()
}
