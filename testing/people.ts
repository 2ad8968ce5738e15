import { createHash } from 'node:crypto'
import type { SampleUser } from '../local/cognito/sample-users.js'
import { checkNames, type Names } from './known-names.js'

/** A user of the pool. */
export interface Person {
  /** `cognito:username`, and the value of the user's button on the sign-in page. */
  username: string
  /** Default: a UUID that is the same for the same username. */
  sub?: string | undefined
  /** Default: `USERNAME@example.com`. */
  email?: string | undefined
  /** Default: the username. */
  name?: string | undefined
  /** The groups of `cognito:groups`. Default: none. */
  groups?: readonly string[] | undefined
  /** The error with which this user's sign-in comes back to the callback, such as `access_denied`. Default: none. */
  refused?: string | undefined
}

const NAMES: Names<Person> = { username: true, sub: true, email: true, name: true, groups: true, refused: true }

/** @throws {TypeError} for a member that does not exist, and a username that is missing or that two people have. */
export function poolUsers (people: readonly Person[]): SampleUser[] {
  const usernames = new Set<string>()
  return people.map((person) => {
    checkNames('startCognito: a person', person, NAMES)
    const { username, sub, email, name, groups = [], refused } = person
    if (typeof username !== 'string' || username === '') throw new TypeError('startCognito: a person has no username')
    if (usernames.has(username)) throw new TypeError(`startCognito: two people have the username ${username}`)
    usernames.add(username)
    return {
      username,
      sub: sub ?? uuidOf(username),
      email: email ?? `${username}@example.com`,
      name: name ?? username,
      groups,
      ...(refused === undefined ? {} : { refused })
    }
  })
}

/** A UUID of version 8 (RFC 9562 §5.8). */
function uuidOf (text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const [high, middle, version, variant, low] =
    [hex.slice(0, 8), hex.slice(8, 12), hex.slice(13, 16), hex.slice(17, 20), hex.slice(20, 32)]
  return `${high}-${middle}-8${version}-8${variant}-${low}`
}
