import type { Texts } from './texts.js'

const START_AGAIN = 'Nothing was changed. You can start the sign-in again.'
const BROKEN_LINK = 'The link that you followed is incomplete or out of date. You can start the sign-in again.'
const CONTACT = 'Please try again. If that does not help, contact support and tell them the request ID below.'

export const en: Texts = {
  signIn: {
    title: 'Sign in',
    choose: 'Choose the portal you want to use.',
    as: (role) => `Sign in as ${role}`,
    again: 'Sign in again',
    otherAccount: 'Use another account'
  },
  signedIn: {
    as: (name) => `Signed in as ${name}`,
    role: 'Role',
    allRoles: 'All roles',
    email: 'Email',
    endsIfIdle: 'Signed out if you do nothing'
  },
  account: {
    title: 'Your sessions',
    explanation: 'These are the browsers in which you are signed in. If you do not know one of them, end its session.',
    current: 'This browser',
    device: (browser, system) => `${browser} on ${system}`,
    unknownDevice: 'Unknown browser',
    signedIn: 'Signed in',
    lastSeen: 'Last seen',
    address: 'Address at sign-in',
    unknownAddress: 'Unknown',
    end: 'End session',
    endOthers: 'Sign out everywhere else',
    manage: 'Manage sessions',
    bound: 'Bound to its device',
    withoutDevice: 'Used without its device',
    withoutDeviceAdvice: 'The cookie of this session was used in a browser that is not on its device, and was ' +
      'refused. If that was not you, end the session and check that device for malware.'
  },
  device: {
    waiting: { title: 'One moment', advice: 'Your browser is being confirmed. This page goes on by itself.' },
    unbound: {
      title: 'Please use another browser',
      advice: 'Your role can be used only in a browser that binds the sign-in to its device: Google Chrome on ' +
        'Windows, version 146 or later. Sign in again there, or here if you use it already.'
    },
    missing: {
      title: 'Your browser could not be confirmed',
      advice: 'Your sign-in is bound to the device on which it began. It has not ended. Reload this page in a ' +
        'minute, or sign in again.'
    }
  },
  signOut: {
    title: 'Sign out',
    button: 'Sign out',
    signedInAs: (name) => `You are signed in as ${name}.`,
    guest: 'You are not signed in here. You can still sign out of the sign-in service.',
    confirm: 'Do you want to sign out?',
    refused: 'The page that you came from could not sign you out by itself. Use the button to sign out.',
    problem: 'Sign-out problem',
    advice: 'You may still be signed in. Please try to sign out again.',
    changeAccount: 'Sign out to change the account'
  },
  signedOutNotice: 'You have been signed out.',
  backToPortal: 'Back to the portal',
  problem: 'Sign-in problem',
  errors: {
    ERR_AUTH_TIME: {
      title: 'The sign-in was not recent enough',
      advice: 'You are still signed in, as before. Please sign in again; if this page comes back, contact support.'
    },
    ERR_CODE_MISSING: { title: 'The sign-in is incomplete', advice: START_AGAIN },
    ERR_COGNITO_ANSWER: {
      title: 'The sign-in service has a problem', advice: 'Please try again in a moment.'
    },
    ERR_COGNITO_TIMEOUT: {
      title: 'The sign-in service did not answer', advice: 'Please try again in a moment.'
    },
    ERR_DATABASE: {
      title: 'The service is briefly unavailable', advice: 'Please try again in a moment.'
    },
    ERR_FOREIGN_ORIGIN: {
      title: 'This page may not do that', advice: 'Another site asked for it. Nothing was changed.'
    },
    ERR_ID_TOKEN: { title: 'The sign-in could not be verified', advice: START_AGAIN },
    ERR_INTERNAL: { title: 'Something went wrong', advice: CONTACT },
    ERR_LOGIN_CANCELLED: { title: 'The sign-in was cancelled', advice: START_AGAIN },
    ERR_LOGIN_REFUSED: { title: 'The sign-in was refused', advice: START_AGAIN },
    ERR_LOGOUT_URL: {
      title: 'The sign-out cannot lead to that address', advice: 'You may still be signed in. Please sign out here.'
    },
    ERR_LOGIN_DENIED: { title: 'You cannot sign in here', advice: 'Please contact us if you think that you should.' },
    ERR_OTHER_USER: {
      title: 'You signed in with another account',
      advice: 'Nothing was changed. Sign in with the account that you are signed in with here, or sign out first.'
    },
    ERR_OVERLOADED: { title: 'The service is very busy', advice: 'Please try again in a moment.' },
    ERR_PREFETCH: {
      title: 'The sign-in was not started',
      advice: 'Your browser tried to load this page in advance. You can start the sign-in again.'
    },
    ERR_RATE_LIMIT: { title: 'Too many sign-ins', advice: 'Please wait, then reload this page.' },
    ERR_RETURN_TO: { title: 'The sign-in cannot lead to that address', advice: BROKEN_LINK },
    ERR_ROLE_NOT_GRANTED: {
      title: 'Your account does not have this role',
      advice: 'Ask an administrator for this role, or sign in with another account.'
    },
    ERR_ROLE_UNKNOWN: { title: 'There is no such role', advice: BROKEN_LINK },
    ERR_SESSION_LIMIT: {
      title: 'You are signed in on too many devices',
      advice: 'Nothing was changed. Sign out on one of the other devices, then sign in again.'
    },
    ERR_SESSION_VALUE: { title: 'Your sign-in could not be stored', advice: CONTACT },
    ERR_STATE_MISSING: { title: 'The sign-in is incomplete', advice: START_AGAIN },
    ERR_STATE_UNKNOWN: {
      title: 'This sign-in is no longer valid',
      advice: 'It was completed already, has expired, or was started in another browser. ' +
        'You can start the sign-in again.'
    },
    ERR_VALIDATION: { title: 'This link is not valid', advice: BROKEN_LINK }
  },
  other: { title: 'Something went wrong', advice: START_AGAIN },
  roleNotGranted: (role) => `Your account does not have the role “${role}”`,
  sameAccountAgain: 'If you were signed in with the same account again without being asked, sign out first.',
  tryAgain: (time) => `Please try again ${time}.`,
  startingAgain: 'The sign-in is being started again.',
  cookies: {
    title: 'Cookies seem to be switched off',
    advice: 'Signing in needs cookies, but your browser sent none. Allow cookies for this site, then sign in again.'
  },
  details: { message: 'Message', code: 'Code', requestId: 'Request ID' }
}
