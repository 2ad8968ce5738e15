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

  for (const [key, from, to] of [
    [
      'changed',
      'return seenSessionAnswer(seen, config.SESSION_ABSOLUTE_TTL)',
      'const told = seenSessionAnswer(seen, config.SESSION_ABSOLUTE_TTL)\n' +
      'return told && { ...told, user: { changed: true, ...told.user } }'
    ],
    ['changedAgain', 'changed: true', 'changedAgain: true']
  ] as const) {
    const file = join(dir, 'routes/api/auth/me.ts')
    const source = await readFile(file, 'utf8')
    const changed = source.replace(from, to)
    t.not(changed, source)
    await writeFile(file, changed)
    const began = performance.now()
    while (!(await me()).includes(key) && performance.now() - began < 20_000) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50)
      })
    }
    const took = performance.now() - began

    t.ok(took < 2000, `${key} after ${Math.round(took)} ms`)
    t.match(await me(), /"role":"ISSUER"/)
  }
})
