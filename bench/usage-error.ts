/** The benchmark was started with arguments that it cannot use. The message is for the user. */
export class UsageError extends Error {
  override name = 'UsageError'
}
