/** The errors that a page can show. Every other one has the text `other`. */
export type PageError =
  | 'ERR_AUTH_TIME' | 'ERR_CODE_MISSING' | 'ERR_COGNITO_ANSWER' | 'ERR_COGNITO_TIMEOUT' | 'ERR_DATABASE'
  | 'ERR_FOREIGN_ORIGIN' | 'ERR_ID_TOKEN' | 'ERR_INTERNAL' | 'ERR_LOGIN_CANCELLED' | 'ERR_LOGIN_DENIED'
  | 'ERR_LOGIN_REFUSED' | 'ERR_LOGOUT_URL' | 'ERR_OTHER_USER' | 'ERR_OVERLOADED' | 'ERR_PREFETCH' | 'ERR_RATE_LIMIT'
  | 'ERR_RETURN_TO' | 'ERR_ROLE_NOT_GRANTED' | 'ERR_ROLE_UNKNOWN' | 'ERR_SESSION_LIMIT' | 'ERR_SESSION_VALUE'
  | 'ERR_STATE_MISSING' | 'ERR_STATE_UNKNOWN' | 'ERR_VALIDATION'

export interface ErrorText {
  /** The heading. */
  title: string
  /** What a person can do about it. */
  advice: string
}

/** Everything that the pages say, in one language. Parameters are text, not HTML. */
export interface Texts {
  signIn: {
    title: string
    choose: string
    /** On a button. */
    as: (role: string) => string
    again: string
    otherAccount: string
  }
  signedIn: {
    as: (name: string) => string
    role: string
    allRoles: string
    email: string
    endsIfIdle: string
  }
  account: {
    title: string
    /** What the list is for. */
    explanation: string
    /** The session that shows the page. */
    current: string
    device: (browser: string, system: string) => string
    unknownDevice: string
    signedIn: string
    lastSeen: string
    address: string
    unknownAddress: string
    /** On a button. */
    end: string
    endOthers: string
    /** On a button of another page. */
    manage: string
    /** A mark: the session is bound to its device. */
    bound: string
    /** The heading of the time at which a session's cookie came without its device. */
    withoutDevice: string
    /** What a person does about it. */
    withoutDeviceAdvice: string
  }
  /** The page that waits for a browser to show its device. */
  device: {
    waiting: ErrorText
    /** The browser cannot bind a session, and a role of the session needs it. */
    unbound: ErrorText
    /** The session is bound, and the browser does not show its device. */
    missing: ErrorText
  }
  signOut: {
    title: string
    button: string
    signedInAs: (name: string) => string
    guest: string
    /** The heading over a sign-out that another page asked for. */
    confirm: string
    refused: string
    problem: string
    /** A sign-out that failed. */
    advice: string
    /** On a button. */
    changeAccount: string
  }
  signedOutNotice: string
  backToPortal: string
  /** The title of the window; the heading says which problem. */
  problem: string
  errors: Record<PageError, ErrorText>
  other: ErrorText
  /** `ERR_ROLE_NOT_GRANTED`, where the role is known. */
  roleNotGranted: (role: string) => string
  /** The provider signs the same account in again, although it was asked not to. */
  sameAccountAgain: string
  /** `ERR_RATE_LIMIT`, with the time in words. */
  tryAgain: (time: string) => string
  /** The page goes on by itself. */
  startingAgain: string
  cookies: ErrorText
  details: {
    message: string
    code: string
    requestId: string
  }
}
