/** A log that writes each message once. */
export function once (log: (message: string) => void): (message: string) => void {
  const logged = new Set<string>()
  return (message) => {
    if (logged.has(message)) return
    logged.add(message)
    log(message)
  }
}
