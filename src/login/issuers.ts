/** The domain of the endpoints in a region's partition, and `amazonaws.com` for all other regions. */
const DOMAINS: readonly [prefix: string, domain: string][] = [
  ['cn-', 'amazonaws.com.cn'],
  ['eusc-', 'amazonaws.eu']
]

/**
 * Both issuers that a user pool may name in its tokens: the "original" one and the "updated" one. A pool can be
 * switched between them at any time.
 *
 * @param poolId `REGION_ID`
 * @see the AWS reference:
 * https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_IssuerConfigurationType.html
 * @see the AWS SDK's list of partitions:
 * https://github.com/aws/aws-sdk-js-v3/blob/main/packages/util-endpoints/src/lib/aws/partitions.json
 */
export function poolIssuers (poolId: string): string[] {
  const region = poolId.slice(0, poolId.indexOf('_'))
  const [, domain] = DOMAINS.find(([prefix]) => region.startsWith(prefix)) ?? ['', 'amazonaws.com']
  return ['cognito-idp', 'issuer-cognito-idp'].map((service) => `https://${service}.${region}.${domain}/${poolId}`)
}
