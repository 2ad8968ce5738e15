import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { browser, signIn } from '../support/browser.js'
import { caddyProxy, front, nginxProxy } from '../support/guarded.js'
import { listening, start } from '../support/process.js'
import { rootUrl } from '../support/root.js'
import { server } from '../support/server.js'

const run = promisify(execFile)
const HAPROXY = process.env.HAPROXY ?? '/usr/sbin/haproxy'

const page = await readFile(new URL('docs/proxies.md', rootUrl), 'utf8')

/** The rows of the table of checks: what, command, output. */
const checks = [...page.matchAll(/^\| (.+) \| `((?:curl|head) .+)` \| `(.+)` \|$/gm)]
  .map(([, what = '', command = '', output = '']) => ({ what, command: command.replaceAll('\\|', '|'), output }))

/** The application of the examples, as a process on another port. */
async function exampleApplication (t: Test): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'application-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await cp(new URL('examples/application', rootUrl), dir, { recursive: true })
  const port = await freePort()
  const path = join(dir, 'server.js')
  await writeFile(path, (await readFile(path, 'utf8')).replaceAll('4000', String(port)))
  await writeFile(join(dir, 'package.json'), '{"type":"module"}')
  await listening(start(t, process.execPath, [path]), port)
  return port
}

for (const proxy of [nginxProxy, caddyProxy]) {
  test(`${proxy.name}: the checks of docs/proxies.md show what it says`, async (t) => {
    const port = await freePort()
    const origin = `http://localhost:${port}`
    const setup = await server(t, { PUBLIC_URL: origin, TRUST_PROXY: '127.0.0.1', COOKIE_LIFETIME: 'absolute' })
    const application = { port: await exampleApplication(t), received: [] }
    await front(t, proxy, { port, auth: Number(setup.env.PORT), application })
    const user = browser()
    await signIn(user, origin)
    t.match((await user.get(`${origin}/x?<b>`)).text, 'You are alice@example.com')
    t.ok(checks.length > 10)

    for (const { what, command, output } of checks) {
      const here = (text: string) => text.replaceAll(/localhost(:|%3A)8080/g, `localhost$1${port}`)
      const { stdout } = await run('sh', ['-c', `${here(command)} || true`], {
        env: { PATH: process.env.PATH, COOKIE: user.cookieHeader(origin) }
      })
      t.equal(stdout.trim(), here(output), `${what}: ${command}`)
    }
  })
}

test('haproxy: its example is valid, and leaves the question to an nginx behind it', async (t) => {
  const [port, behind] = [await freePort(), await freePort()]
  const origin = `http://localhost:${port}`
  const setup = await server(t, { PUBLIC_URL: origin, TRUST_PROXY: '127.0.0.1', COOKIE_LIFETIME: 'absolute' })
  const { application } = await front(t, nginxProxy, {
    port: behind,
    auth: Number(setup.env.PORT),
    edit: (text) => text
      .replaceAll('$scheme', '$http_x_forwarded_proto')
      .replaceAll('$remote_addr', '$http_x_forwarded_for')
  })
  const dir = await mkdtemp(join(tmpdir(), 'haproxy-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const file = join(dir, 'haproxy.cfg')
  const example = await readFile(new URL('examples/haproxy/haproxy.cfg', rootUrl), 'utf8')
  await writeFile(file, example.replace('127.0.0.1:8000', `127.0.0.1:${port}`).replace('8080', String(behind)))
  await run(HAPROXY, ['-c', '-f', file])
  await listening(start(t, HAPROXY, ['-f', file]), port)
  const user = browser()

  const refused = await user.get(`${origin}/x?a=1&b=2`, { redirect: 'manual' })
  t.equal(new URL(refused.location ?? '').searchParams.get('returnTo'), `${origin}/x?a=1&b=2`)
  const { answer } = await signIn(user, origin, { returnTo: '/x?a=1&b=2' })
  t.equal(answer.location, `${origin}/x?a=1&b=2`)
  for (const name of ['X-Auth-Email', 'x_auth_email']) {
    application.received.length = 0
    const headers = { [name]: 'evil', 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'evil' }
    t.equal((await user.get(`${origin}/x`, { headers })).status, 200)
    const [received] = application.received
    t.ok(received?.rawHeaders.includes('alice@example.com'))
    t.notOk(received?.rawHeaders.includes('evil'), name)
    t.notOk(received?.rawHeaders.includes('203.0.113.9'))
  }
})
