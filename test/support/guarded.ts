/**
 * An application and a folder of files behind a proxy that runs with the files of `examples/`.
 *
 * @module
 */
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { browser, signIn, type Browser, type SignIn } from './browser.js'
import { runCaddy } from './caddy.js'
import { runNginx } from './nginx.js'
import { plainApplication, type PlainApplication } from './plain-application.js'
import type { RunningProcess } from './process.js'
import { rootUrl } from './root.js'
import { server, type Setup } from './server.js'

export interface Proxy {
  /** The folder below `examples/`. */
  name: string
  /** The files of that folder with ports in them. */
  files: string[]
  run (t: Test, dir: string, port: number): Promise<RunningProcess>
}

export const nginxProxy: Proxy = { name: 'nginx', files: ['nginx.conf', 'portal.conf', 'auth.conf'], run: runNginx }
export const caddyProxy: Proxy = { name: 'caddy', files: ['Caddyfile', 'auth.caddy'], run: runCaddy }

export interface Front {
  origin: string
  port: number
  application: PlainApplication
}

export interface Guarded extends Front {
  setup: Setup
  /** A browser of a person who has signed in through the proxy. */
  signedIn (options?: SignIn): Promise<Browser>
}

interface FrontOptions {
  port?: number
  /** The port of the sign-in server. */
  auth: number
  application?: PlainApplication
  /** Changes a file of the example, as an administrator does. */
  edit?: (text: string, file: string) => string
}

/** The proxy with its example's configuration, and an application behind it. */
export async function front (t: Test, proxy: Proxy, options: FrontOptions): Promise<Front> {
  const { auth, edit = (text) => text } = options
  const port = options.port ?? await freePort()
  const application = options.application ?? await plainApplication(t)
  const dir = await mkdtemp(join(tmpdir(), `${proxy.name}-`))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  // Started by root, nginx reads and writes as another user.
  await chmod(dir, 0o755)
  await cp(new URL('examples/www', rootUrl), join(dir, 'www'), { recursive: true })
  await cp(new URL(`examples/${proxy.name}`, rootUrl), join(dir, proxy.name), { recursive: true })
  for (const file of proxy.files) {
    const path = join(dir, proxy.name, file)
    const text = (await readFile(path, 'utf8'))
      .replaceAll(/(127\.0\.0\.1|localhost|example\.com):8080/g, `$1:${port}`)
      .replaceAll('127.0.0.1:3000', `127.0.0.1:${auth}`)
      .replaceAll('127.0.0.1:4000', `127.0.0.1:${application.port}`)
    await writeFile(path, edit(text, file))
  }
  await proxy.run(t, join(dir, proxy.name), port)
  return { origin: `http://localhost:${port}`, port, application }
}

/** The same with the sign-in server, whose `PUBLIC_URL` is the proxy's origin. */
export async function guarded (
  t: Test, proxy: Proxy, overrides: Record<string, string> = {}
): Promise<Guarded> {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const setup = await server(t, {
    PUBLIC_URL: origin, TRUST_PROXY: '127.0.0.1', COOKIE_LIFETIME: 'absolute', ...overrides
  })
  const there = await front(t, proxy, { port, auth: Number(setup.env.PORT) })
  return {
    ...there,
    setup,
    async signedIn (options = {}) {
      const user = browser()
      const { answer } = await signIn(user, origin, { role: 'INVESTOR', ...options })
      if (answer.status !== 303) throw new Error(`the sign-in ended with ${answer.status}: ${answer.text}`)
      return user
    }
  }
}
