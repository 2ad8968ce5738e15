import { deviceRefreshPath } from '../login/paths.js'
import type { Config } from '../variables.js'
import { boundCookie } from '../cookies.js'

/** The session instructions of Device Bound Session Credentials: what a browser keeps of a bound session. */
export interface Instructions {
  session_identifier: string
  refresh_url: string
  scope: { origin: string, include_site: boolean }
  credentials: { type: 'cookie', name: string, attributes: string }[]
  /** Pages whose requests are held back for a refresh: a link may be on any page, and in webmail. */
  allowed_refresh_initiators: string[]
}

/** Chromium compares the attributes with those of the cookie: it refreshes at every request where they differ. */
export function instructions (config: Config, identifier: string): Instructions {
  const { name, attributes: { path, secure } } = boundCookie(config)
  return {
    session_identifier: identifier,
    refresh_url: deviceRefreshPath(config.prefix),
    scope: { origin: config.PUBLIC_URL, include_site: false },
    credentials: [{
      type: 'cookie',
      name,
      attributes: `Path=${path};${secure ? ' Secure;' : ''} HttpOnly; SameSite=Lax`
    }],
    allowed_refresh_initiators: ['*']
  }
}
