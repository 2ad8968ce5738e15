import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { browser, signIn } from '../support/browser.js'
import { start } from '../support/process.js'
import { root } from '../support/root.js'

test('npm run dev: a changed route is live in 2 s, sessions are kept', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cashsouk-auth-dev-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  for (const path of [
    'package.json', 'tsconfig.json', 'tsconfig.build.json', 'index.ts', 'src', 'plugins', 'routes', 'local', 'scripts'
  ]) {
    await cp(join(root, path), join(dir, path), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(dir, 'node_modules'))
  const port = await freePort()
  const url = `http://localhost:${port}`
  const dev = start(t, 'npm', ['run', 'dev'], {
    cwd: dir,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: String(port) }
  })
  await dev.seen(/^ready on /m, 90_000)
  const user = browser()
  await signIn(user, url, { role: 'ISSUER', person: 'bob' })
  const me = async () => (await user.get(`${url}/api/auth/me`).catch(() => undefined))?.text ?? ''
  t.match(await me(), /"role":"ISSUER"/)

  const file = join(dir, 'routes/api/auth/me.ts')
  const original = await readFile(file, 'utf8')
  const changedTo = (key: string): string => original.replace(
    'return seenSessionAnswer(seen, config.SESSION_ABSOLUTE_TTL)',
    'const told = seenSessionAnswer(seen, config.SESSION_ABSOLUTE_TTL)\n' +
    `return told && { ...told, user: { ${key}: true, ...told.user } }`
  )
  const live = async (key: string): Promise<number> => {
    t.not(changedTo(key), original)
    await writeFile(file, changedTo(key))
    const began = performance.now()
    while (!(await me()).includes(key) && performance.now() - began < 20_000) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50)
      })
    }
    const took = performance.now() - began
    t.match(await me(), new RegExp(`"${key}":true.*"role":"ISSUER"`), 'live, and the session is kept')
    return took
  }

  await live('early') // beside the first check of all types
  await dev.seen(/Found 0 errors/, 60_000)
  for (const key of ['changed', 'changedAgain']) {
    const took = await live(key)
    const loaded = loading(dir)
    t.ok(took < Math.max(2000, 2 * loaded), `${key} after ${Math.round(took)} ms; loading takes ${loaded} ms`)
  }
})

/** How long a process takes that only loads the server, in milliseconds: about 650 on an idle machine. */
function loading (cwd: string): number {
  const began = performance.now()
  execFileSync(process.execPath, ['--input-type=module', '--eval', 'await import("./dist/src/app.js")'], { cwd })
  return Math.round(performance.now() - began)
}
