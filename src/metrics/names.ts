/** What the names of this server's metrics begin with. */
export const PREFIX = 'cashsouk_auth_'

/** Upper bounds, in seconds: of what the database or this server takes. */
export const SHORT_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
/** Of calls to Cognito, which may take five seconds. */
export const PROVIDER_S = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 6]
/** Of a login, with the time that a person takes. */
export const LOGIN_S = [1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 900]
/** Calls in one batch: the largest is 512. */
export const BATCH_CALLS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
