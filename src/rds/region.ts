/** `NAME.ID.REGION.rds.amazonaws.com`, of instances, clusters and proxies. */
const ENDPOINT = /\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.rds\.amazonaws\.com(?:\.cn)?$/i

/** The region of a database: by its host name, or that of the SDK's own variable, which ECS and Lambda set. */
export function regionOf (host: string): string | undefined {
  const { AWS_REGION = '' } = process.env
  return ENDPOINT.exec(host)?.[1]?.toLowerCase() ?? (AWS_REGION === '' ? undefined : AWS_REGION)
}
