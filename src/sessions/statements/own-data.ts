/**
 * What the store keeps for itself in `sess`.
 *
 * @module
 */

/** The key in `sess`. Sessions that the store returns do not have it, and may not. */
export const OWN_KEY = '~store'

export interface OwnData {
  /** Whose session it is, where `userKey` is a function. */
  readonly user?: string | undefined
  /** When the session was created, in milliseconds since 1970 on the database's clock. */
  readonly created?: number | undefined
}

/** The end of `sess` before the database fills in the time of creation, which is 0 until then. */
export const CREATED_PLACEHOLDER = '0}}'

/** The member of `sess` for this data, which comes last; empty without data. */
export function ownMember ({ user, created }: OwnData): string {
  const members = [
    ...(user === undefined ? [] : [`"user":${JSON.stringify(user)}`]),
    ...(created === undefined ? [] : [`"created":${created}`])
  ]
  return members.length === 0 ? '' : `"${OWN_KEY}":{${members.join()}}`
}

/** What comes before the key of the member at the end of a JSON object. */
const OWN_MEMBER_START = ',"'

/** The member at the end of a JSON object, with the comma before it. */
const OWN_MEMBER = /,"~store":\{(?:"user":"(?:[^"\\]|\\.)*",?)?(?:"created":\d{1,15})?\}\}$/

/**
 * Where the members of a JSON object end that are not the store's own; undefined if that takes parsing.
 */
export function endOfMembers (json: string): number | undefined {
  const ownKeyAt = json.indexOf(OWN_KEY)
  if (ownKeyAt === -1) return json.endsWith('}') ? json.length - 1 : undefined
  const end = OWN_MEMBER.exec(json)?.index
  return end === ownKeyAt - OWN_MEMBER_START.length ? end : undefined
}

/** Data of a session that holds none. */
const NO_DATA: OwnData = {}

/** Removes the data from a parsed session, and returns it. */
export function takeOwnData (session: Record<string, unknown>): OwnData {
  const value = session[OWN_KEY]
  if (value === undefined) return NO_DATA
  Reflect.deleteProperty(session, OWN_KEY)
  if (typeof value !== 'object' || value === null) return NO_DATA
  const { user, created } = value as Record<string, unknown>
  const own: { -readonly [Key in keyof OwnData]: OwnData[Key] } = {}
  if (typeof user === 'string') own.user = user
  if (Number.isSafeInteger(created)) own.created = created as number
  return own
}
