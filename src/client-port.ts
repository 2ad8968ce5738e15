/** An IPv4 address or a bracketed IPv6 address, with or without a port. A bare IPv6 address is neither. */
const WITH_PORT = /^(?:([\d.]+):\d{1,5}|\[([0-9a-f:.]+)\](?::\d{1,5})?)$/i

/**
 * The addresses of `X-Forwarded-For` without the ports that some proxies add, such as an Application Load Balancer
 * with `routing.http.xff_client_port.enabled`. Anything that is not an address with a port is kept as it is.
 *
 * @see {@link https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html}
 */
export function withoutPorts (forwardedFor: string): string {
  return forwardedFor.split(',').map((address) => {
    const [, ipv4, ipv6] = WITH_PORT.exec(address.trim()) ?? []
    return ipv4 ?? ipv6 ?? address
  }).join(',')
}
