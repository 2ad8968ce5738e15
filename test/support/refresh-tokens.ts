import type { Setup } from './server.js'

/** The refresh tokens that were revoked, in their order. */
export const revoked = ({ cognito }: Pick<Setup, 'cognito'>) =>
  cognito.requests.filter(({ path }) => path === '/oauth2/revoke').map(({ body }) => body.get('token'))

/** The refresh tokens that are issued from now on, in their order. */
export function issuedBy ({ cognito }: Pick<Setup, 'cognito'>): string[] {
  const issued: string[] = []
  cognito.fault({
    tokens: (answer) => {
      issued.push(String(answer.refresh_token))
      return answer
    }
  })
  return issued
}
