import { createdMs, EXPIRE_MS, isLive } from '../sessions/statements/expressions.js'
import { member, type Layout } from '../sessions/statements/layout.js'
import { OWN_KEY } from '../sessions/statements/own-data.js'
import { lowered } from './statements/find.js'
import type { Run } from './database/database.js'

/** A row that holds what a person has done: a session, or a login that is under way. */
export interface PersonRow {
  sid: string
  sess: string
  live: boolean
  expire_ms: number
  created_ms: number | null
}

const COLUMNS = (layout: Layout): string => `
      t.sid, t.sess::text AS sess, ${isLive(layout)} AS live, ${EXPIRE_MS} AS expire_ms,
      ${createdMs(layout)} AS created_ms`

/** Every session of a user, expired ones that have not been pruned included. */
export const sessionsOf = (layout: Layout, sub: string): Run => ({
  text: `
    SELECT ${COLUMNS(layout)}
    FROM ${layout.table} AS t
    WHERE ${layout.user} = $1
    ORDER BY expire DESC`,
  values: [sub]
})

/** The logins by which a user confirms who they are. Reads every row. */
export const stepUpsOf = (layout: Layout, sub: string): Run => ({
  text: `
    SELECT ${COLUMNS(layout)}
    FROM ${layout.table} AS t
    WHERE ${layout.user} IS NULL
      AND strpos(sess::text, 'stepUpOf') > 0
      AND ${member(layout, ['stepUpOf'])} = $1
    ORDER BY expire DESC`,
  values: [sub]
})

/** Members that let their holder sign in, or say nothing about the person. */
const SECRET = /token|secret|verifier|challenge|nonce|cookie|password|^state$|^lease$/i

/** What a row holds, without secrets. */
export function withoutSecrets (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value)
    .filter(([name]) => !SECRET.test(name) && name !== OWN_KEY)
    .map(([name, member]) => [name, withoutSecrets(member)]))
}

/** What a person is called: the `sub` of Cognito, and e-mail addresses. */
export interface Names { sub: string, emails: readonly string[] }

/** The shortest `sub` that is looked for outside the places where the server keeps one: it stands nowhere by chance. */
const MIN_SUB_LENGTH = 16

/** Texts that name a person, as two parameters of a statement: in lower case, and as regular expressions. */
export type Mentions = [texts: string[], patterns: string[]]

/** Also as a URL has them. */
export function mentionsOf ({ sub, emails }: Names): Mentions {
  const names = [...(sub.length < MIN_SUB_LENGTH ? [] : [sub]), ...emails]
  const texts = new Set(names.flatMap((name) => [name, encodeURIComponent(name)]).map(asciiLower))
  return [[...texts], [...texts].map(pattern)]
}

/** As `lowered` does in SQL. */
const asciiLower = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

/** The text by itself: `ann@example.com` does not stand in `joann@example.com` or `ann@example.com.au`. */
function pattern (text: string): string {
  const literal = text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return `(^|[^a-z0-9._%+-]|%[0-9a-f]{2})${literal}($|[^a-z0-9.-]|[.]($|[^a-z0-9]))`
}

/** SQL: whether one of the mentions stands in a text. The parameters are those of {@link Mentions}. */
export const isMentioned = (text: string, texts: string, patterns: string): string => `EXISTS (
        SELECT
        FROM (SELECT ${lowered(text)} OFFSET 0) AS l (text)
        JOIN unnest(${texts}::text[], ${patterns}::text[]) AS m (text, pattern) ON strpos(l.text, m.text) > 0
        WHERE l.text ~ m.pattern
      )`

/**
 * SQL: whether a row names the person.
 *
 * @param sub the parameter of the `sub`; the two after it are those of {@link Mentions}.
 */
export const namesPerson = (layout: Layout, sub: string, texts: string, patterns: string): string => `
      ${layout.user} = ${sub}
      OR (${layout.user} IS NULL AND strpos(sess::text, 'stepUpOf') > 0 AND ${member(layout, ['stepUpOf'])} = ${sub})
      OR ${isMentioned('sess::text', texts, patterns)}`
