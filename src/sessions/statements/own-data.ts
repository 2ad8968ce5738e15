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

/** The member at the end of a JSON object, with the comma before it. */
const OWN_MEMBER = /,"~store":\{(?:"user":"(?:[^"\\]|\\.)*",?)?(?:"created":\d{1,15})?\}\}$/

/** A JSON object without the member that `ownMember` put at its end. */
export function withoutOwnMember (json: string): string {
  if (!json.includes(OWN_KEY)) return json
  const start = OWN_MEMBER.exec(json)?.index
  return start === undefined ? json : `${json.slice(0, start)}}`
}

/** Removes the data from a parsed session, and returns it. */
export function takeOwnData (session: Record<string, unknown>): OwnData {
  const value = session[OWN_KEY]
  if (value === undefined) return {}
  Reflect.deleteProperty(session, OWN_KEY)
  if (typeof value !== 'object' || value === null) return {}
  const { user, created } = value as Record<string, unknown>
  return {
    ...(typeof user === 'string' ? { user } : {}),
    ...(Number.isSafeInteger(created) ? { created: created as number } : {})
  }
}
