#!/usr/bin/env node
/**
 * The operator's command line as a process: signals, a reader that closes its pipe early, the exit code.
 *
 * @module
 */
import { main } from './main.js'

/** The exit code of a process that SIGINT has ended, as shells have it. */
const INTERRUPTED = 130

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first signal lets the present batch end.
    if (interruption.signal.aborted) process.exit(INTERRUPTED)
    interruption.abort()
  })
}

// `cashsouk-auth sessions list | head` closes the pipe before everything is written.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

// A failure is one line on stderr: the driver's advice for the next major version would come before it.
process.removeAllListeners('warning')

const { stdin, stdout, stderr, env } = process
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, interrupted: interruption.signal })
