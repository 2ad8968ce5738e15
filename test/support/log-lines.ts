export interface Line {
  level: number
  msg: string
  code?: string
  state?: string
  name?: string
  reason?: string
  cause?: string
  [field: string]: unknown
}

/** The lines of a log with these messages, or all. */
export function linesOf (log: readonly string[], ...messages: string[]): Line[] {
  const lines = log.map((line) => JSON.parse(line) as Line)
  return messages.length === 0 ? lines : lines.filter(({ msg }) => messages.includes(msg))
}
