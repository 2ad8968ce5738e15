import type { startCognito } from '../local/cognito/index.js'

const MISSING = 'cashsouk-auth/testing: startCognito needs oidc-provider, which is not installed. ' +
  'Run `npm install --save-dev oidc-provider`.'

/**
 * Loads the local user pool. Only then: `signIn` alone needs no oidc-provider.
 *
 * @throws {Error} when oidc-provider is not installed; the message says what to run.
 */
export async function localCognito (): Promise<typeof startCognito> {
  try {
    const module = await import('../local/cognito/index.js')
    return module.startCognito
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' && message.includes('\'oidc-provider\'')
    throw isMissing ? new Error(MISSING, { cause }) : cause
  }
}
