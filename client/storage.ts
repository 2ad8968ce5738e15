/** What is kept in `sessionStorage`: for this tab only, and not at all where the browser forbids it. @module */

const KEPT = 'cashsouk-auth.kept'
const KEPT_MS = 3_600_000
const MAX_LENGTH = 65_536

/**
 * @param value what is stored first; empty: what is there is removed.
 * @returns what is there now.
 */
export function stored (key: string, value?: string): string | null {
  try {
    if (value === '') sessionStorage.removeItem(key)
    else if (value) sessionStorage.setItem(key, value)
    return sessionStorage.getItem(key)
  } catch {
    return null
  }
}

/** What the fields of a name hold, in their order. */
export type Values = Record<string, (string | boolean | string[])[]>

/** The unsent forms of one page. */
export interface Kept {
  page: string
  /** Whose they are. */
  sub: string
  at: number
  forms: Record<string, Values>
}

/** What is kept for this user. What is another user's, or too old, is removed. */
export function readKept (sub?: string): Kept | undefined {
  const kept = JSON.parse(stored(KEPT) ?? '{}') as Partial<Kept>
  if (kept.sub === sub && Number(kept.at) + KEPT_MS > Date.now()) return kept as Kept
  stored(KEPT, '')
  return undefined
}

export function writeKept (kept: Kept): void {
  const text = JSON.stringify(kept)
  stored(KEPT, text.length > MAX_LENGTH || Object.keys(kept.forms).length === 0 ? '' : text)
}
