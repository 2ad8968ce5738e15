/** A command cannot do what it was asked for. The message is one line for the operator. */
export class CommandError extends Error {
  override name = 'CommandError'
}

/** SIGINT came between two batches. The message says how far the command got. */
export class InterruptedError extends CommandError {
  override name = 'InterruptedError'
}

/** What went wrong, in one line. */
export function lineOf (error: unknown): string {
  const { message = String(error), cause } = (error ?? {}) as Partial<Error>
  const reason = cause instanceof Error ? `${message}: ${cause.message}` : message
  return reason.replaceAll(/\s*\n\s*/g, ' ').trim()
}
