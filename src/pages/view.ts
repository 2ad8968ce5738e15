import type { Language } from './language.js'

/** What a page needs to know besides its content. */
export interface View {
  language: Language
  /** `ROLE_LABELS`: a role, `=` and what people read in its place. */
  labels: readonly string[]
  /** Whether this browser has signed out a moment ago. */
  signedOut?: boolean
  /** Where the sign-in is. Default `/api/auth`. */
  prefix?: string
}
