/** A pool's setting `IssuerConfiguration.Type`, in lower case. */
export type IssuerType = 'original' | 'updated'

/**
 * The issuer of the pool's tokens. A pool issues tokens with one form at a time, and serves the same key set and
 * discovery document under both. Cognito's forms differ in their host (`cognito-idp.REGION.amazonaws.com` and
 * `issuer-cognito-idp.REGION.amazonaws.com`), these in their path.
 *
 * @see the AWS reference:
 * https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_IssuerConfigurationType.html
 */
export class Issuers {
  readonly forms: Readonly<Record<IssuerType, string>>
  type: IssuerType

  constructor (origin: string, userPoolId: string, type: IssuerType) {
    this.forms = { original: `${origin}/${userPoolId}`, updated: `${origin}/issuer/${userPoolId}` }
    this.type = type
  }

  /** The `iss` of new tokens. */
  get current (): string {
    return this.forms[this.type]
  }
}
