import { createHash } from 'node:crypto'
import type { SessionData } from './types.js'

/** A live session of a user, as `listByUser` gives it. */
export interface UserSession {
  /** Identifies the session and is no secret: the session's id cannot be derived from it. */
  id: string
  session: SessionData
  expiresAt: Date
}

/** A session that was live until now. */
export interface EndedSession {
  /** As `listByUser` named it. */
  id: string
  session: SessionData
}

/** The outcome of `replaceWithin`. A refusal changes nothing. */
export interface ReplacedWithin {
  isRefused: boolean
  /** What each former session held at that moment; null for one that was not live. */
  ended: (SessionData | null)[]
  /** The user's oldest sessions, which ended because of the limit. */
  surplus: EndedSession[]
}

/** 132 bits of the SHA-256 of the stored id, which may be the session's id itself. */
export const publicId = (sid: string): string =>
  createHash('sha256').update(sid).digest('base64url').slice(0, 22)
