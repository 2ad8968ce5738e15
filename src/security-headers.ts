import { homeOrigins, homeUrls } from './login/home-url.js'
import { styleHash } from './pages/index.js'
import type { Config } from './variables.js'

/** Security headers of responses that reach no Fastify hook. They hold neither a page nor a style sheet. */
export function defaultSecurityHeaders ({ https }: Pick<Config, 'https'>): Record<string, string> {
  return {
    'cache-control': 'no-store',
    'content-security-policy': 'default-src \'none\';frame-ancestors \'none\'',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    ...(https ? { 'strict-transport-security': 'max-age=31536000; includeSubDomains' } : {})
  }
}

/**
 * Security headers of all other responses: those of helmet 8, with a policy for the pages of this server.
 *
 * `form-action` names Cognito and the pages after sign-out, because Chromium applies it to redirects too: `/`, where
 * a sign-out may end, redirects to `HOME_URL`.
 */
export function securityHeaders (
  config: Pick<Config, 'https' | 'COGNITO_DOMAIN' | 'LOGOUT_URL' | 'LOGOUT_URLS' | 'HOME_URL'>
): Record<string, string> {
  const afterSignOut = [config.LOGOUT_URL, ...config.LOGOUT_URLS].map((url) => new URL(url).origin)
  const targets = new Set([config.COGNITO_DOMAIN, ...afterSignOut, ...homeOrigins(homeUrls(config))])
  const policy = [
    'default-src \'none\'',
    `style-src '${styleHash}'`,
    `form-action 'self' ${[...targets].join(' ')}`,
    'frame-ancestors \'none\'',
    'base-uri \'none\''
  ]
  return {
    ...defaultSecurityHeaders(config),
    'content-security-policy': policy.join(';'),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-site',
    'origin-agent-cluster': '?1',
    'x-dns-prefetch-control': 'off',
    'x-download-options': 'noopen',
    'x-permitted-cross-domain-policies': 'none',
    'x-xss-protection': '0'
  }
}
