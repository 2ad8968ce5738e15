/** Every name that an object may have, so that a misspelt one is not silently without effect. */
export type Names<T> = Readonly<Record<keyof T, true>>

/**
 * @param what whose options these are, as the message has it: `signIn`, `startCognito: a person`.
 * @throws {TypeError} for what is no object, and for a name that is not known.
 */
export function checkNames<T extends object> (what: string, given: T, names: Names<T>): void {
  const value: unknown = given
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} must be an object`)
  }
  const known = Object.keys(names)
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new TypeError(`${what} cannot have ${unknown}: the names are ${known.join(', ')}`)
  }
}
