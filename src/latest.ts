/**
 * What `make` makes of a value, made again when the value is another one: for what is derived from a secret that may
 * change while the server runs.
 */
export function latest<From, Made> (value: () => From, make: (value: From) => Made): () => Made {
  let from = value()
  let made = make(from)
  return () => {
    const now = value()
    if (now !== from) {
      made = make(now)
      from = now
    }
    return made
  }
}
