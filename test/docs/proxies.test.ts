import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { parse } from 'yaml'
import { noIdentity } from '../../src/verify/headers.js'
import { rootUrl } from '../support/root.js'

const text = (path: string): Promise<string> => readFile(new URL(path, rootUrl), 'utf8')
const page = await text('docs/proxies.md')

const IDENTITY = Object.keys(noIdentity('x-auth'))
const SPOOFABLE = Object.keys(noIdentity('oauth2-proxy'))
const sorted = (names: unknown[]) => names.map(String).sort()

const FILES = [
  ['nginx', 'nginx/portal.conf'], ['caddyfile', 'caddy/Caddyfile'], ['yaml', 'traefik/dynamic.yml'],
  ['yaml', 'envoy/envoy.yaml'], ['haproxy', 'haproxy/haproxy.cfg']
] as const

for (const [language, file] of FILES) {
  test(`docs/proxies.md shows examples/${file} as it is`, async (t) => {
    t.ok(page.includes(`\`\`\`${language}\n${await text(`examples/${file}`)}\`\`\`\n`))
  })
}

test('docs/proxies.md says which of its configurations are not tested', async (t) => {
  for (const name of ['Traefik', 'Envoy']) {
    const section = new RegExp(`^## ${name}\n(.*?)^## `, 'ms').exec(page)?.[1] ?? ''
    t.match(section, /\*\*Not tested\*\*/, name)
  }
  for (const file of ['traefik/dynamic.yml', 'envoy/envoy.yaml']) {
    t.match(await text(`examples/${file}`), 'Not run by the project\'s tests', file)
  }
})

interface Traefik {
  http: {
    routers: Record<string, { middlewares?: string[], service: string, rule: string, priority: number }>
    middlewares: Record<string, {
      forwardAuth?: { address: string, trustForwardHeader: boolean, authResponseHeadersRegex: string }
      errors?: { service: string }
      headers?: { customRequestHeaders: Record<string, string> }
    }>
    services: Record<string, unknown>
  }
}

test('The Traefik example is YAML in which every route but the sign-in is guarded', async (t) => {
  const { http: { routers, middlewares, services } } = parse(await text('examples/traefik/dynamic.yml')) as Traefik
  for (const [name, { middlewares: used = [], service }] of Object.entries(routers)) {
    t.ok(service in services, service)
    for (const one of used) t.ok(one in middlewares, one)
    const guards = used.filter((one) => middlewares[one]?.forwardAuth !== undefined)
    t.equal(guards.length, name === 'sign-in' ? 0 : 1, name)
    t.equal(used.includes('no-spoofed-headers'), name !== 'sign-in', name)
  }
  for (const { forwardAuth } of Object.values(middlewares)) {
    if (forwardAuth === undefined) continue
    t.equal(new URL(forwardAuth.address).pathname, '/api/auth/verify')
    t.equal(forwardAuth.trustForwardHeader, false)
    const taken = new RegExp(forwardAuth.authResponseHeadersRegex.replace('(?i)', ''), 'i')
    for (const header of IDENTITY) {
      for (const spelling of [header, header.replaceAll('-', '_'), header.toUpperCase()]) t.match(spelling, taken)
    }
  }
  const cleared = middlewares['no-spoofed-headers']?.headers?.customRequestHeaders ?? {}
  t.same(sorted(Object.keys(cleared).map((name) => name.toLowerCase())), sorted(SPOOFABLE))
  t.same([...new Set(Object.values(cleared))], [''])
  t.match(parse(await text('examples/traefik/traefik.yml')), { providers: { file: { filename: 'dynamic.yml' } } })
})

/** Every object in a value that has this key. */
function having (value: unknown, key: string): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return []
  const below = Object.values(value).flatMap((part) => having(part, key))
  return key in value ? [value as Record<string, unknown>, ...below] : below
}

test('The Envoy example is YAML that removes a visitor\'s identity headers and never fails open', async (t) => {
  const envoy: unknown = parse(await text('examples/envoy/envoy.yaml'))
  const clusters = having(envoy, 'load_assignment').map(({ name }) => name)
  for (const { cluster } of having(envoy, 'cluster')) t.ok(clusters.includes(cluster), String(cluster))
  t.same(having(envoy, 'failure_mode_allow').map((filter) => filter.failure_mode_allow), [false])
  t.match(having(envoy, 'status_on_error'), [{ status_on_error: { code: 'ServiceUnavailable' } }])
  t.same(sorted(having(envoy, 'remove').map(({ remove }) => remove)), sorted(SPOOFABLE))
  t.same(having(envoy, 'headers_with_underscores_action').length, 1)
  const types = having(envoy, '@type').map((config) => String(config['@type']))
  for (const type of types) t.match(type, /^type\.googleapis\.com\/envoy\.extensions\.[\w.]+\.v3\.\w+$/)
  t.match(String(having(envoy, 'inline_string')[0]?.inline_string), '/api/auth/verify?role=INVESTOR&slide=true')
})

test('The nginx and Caddy examples hand on every identity header', async (t) => {
  const nginx = await text('examples/nginx/portal.conf')
  const [, copied = ''] = /copy_headers (.*)/.exec(await text('examples/caddy/Caddyfile')) ?? []
  t.same(copied.toLowerCase().split(' '), IDENTITY)
  for (const header of IDENTITY) {
    const variable = header.replaceAll('-', '_')
    t.match(nginx, new RegExp(`proxy_set_header ${header} +\\$${variable.slice(2)};`, 'i'))
    t.match(nginx, new RegExp(`auth_request_set \\$${variable.slice(2)} +\\$upstream_http_${variable};`))
  }
  for (const header of SPOOFABLE) t.match(nginx, `$http_${header.replaceAll('-', '_')}`)
})
