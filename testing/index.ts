/**
 * `cashsouk-auth/testing`: signs users in where an application is tested, and stands in for Amazon Cognito. It does not
 * load with `NODE_ENV=production`.
 *
 * @module
 */
import './refuse-production.js'

export { startCognito, type Cognito, type CognitoOptions } from './cognito.js'
export type { BackChannelRequest, Fault, PoolEnvironment } from './faulty-pool.js'
export type { Misbehaviour } from './misbehaviour.js'
export type { Person } from './people.js'
export { signIn, type SignedIn, type SignInOptions } from './sign-in.js'
export type { StorageState } from './storage-state.js'
