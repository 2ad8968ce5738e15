/** Who may call a route, as the document of the API tells it (`security`). */

/** A signed-in session. */
export const BY_SESSION = [{ session: [] }] as const

/** EventBridge, with one of `COGNITO_EVENTS_SECRET`. */
export const BY_EVENTS_SECRET = [{ eventsSecret: [] }, { eventsBearer: [] }] as const

/** Anyone, with or without a session. */
export const FOR_ANYONE = [{}] as const

/** Anyone; a session cookie changes the answer. */
export const BY_ANYONE = [{}, { session: [] }] as const
