import { createHash } from 'node:crypto'
import type { SessionData } from './serialise.js'

/** A live session of a user, as `listByUser` tells it. */
export interface UserSession {
  /** Names the session for as long as it lives, and is no secret: the session's id cannot be found from it. */
  id: string
  session: SessionData
  expiresAt: Date
}

/** 132 bits of SHA-256 of `sid`, which may be the session's id itself. */
export const publicId = (sid: string): string => createHash('sha256').update(sid).digest('base64url').slice(0, 22)
