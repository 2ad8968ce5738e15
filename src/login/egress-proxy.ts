/** How connections leave the network, as in the configuration. */
export interface Egress { HTTPS_PROXY?: string, NO_PROXY?: string }

/**
 * The proxy for connections to `url`; undefined if there is none. Only https is tunnelled: http is for this machine.
 *
 * `NO_PROXY` has hosts, separated by commas or blanks: each stands for itself and its subdomains, with or without a
 * leading dot or `*.`, and may have a port. `*` stands for all hosts.
 */
export function proxyFor (url: string, { HTTPS_PROXY: proxy, NO_PROXY: exceptions = '' }: Egress): string | undefined {
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'https:') return undefined
  const isExcepted = exceptions.toLowerCase().split(/[\s,]+/).some((exception) => {
    if (exception === '*') return true
    const [, name = '', onlyPort = port] = /^(?:\*?\.)?(.+?)(?::(\d+))?$/.exec(exception) ?? []
    if (name === '' || (onlyPort === '443' ? '' : onlyPort) !== port) return false
    return hostname === name || hostname.endsWith(`.${name}`)
  })
  return isExcepted ? undefined : proxy
}
