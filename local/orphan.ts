/** How often the parent is looked for, in milliseconds. */
const EVERY = 500

/**
 * Ends this process in good order once npm, which started it, has ended.
 *
 * npm hands SIGTERM to the shell between them, and a shell ends without handing it on: the server would go
 * on with nobody to stop it. Ctrl-C reaches all three.
 *
 * @param env not started by npm: nothing is done.
 */
export function endWithNpm (env: NodeJS.ProcessEnv): void {
  if (env.npm_lifecycle_event === undefined) return
  const { ppid } = process
  const timer = setInterval(() => {
    if (process.ppid === ppid) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, EVERY).unref()
}
