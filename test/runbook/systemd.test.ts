import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { rootUrl } from '../support/root.js'

const unit = await readFile(new URL('deploy/systemd/cashsouk-auth.service', rootUrl), 'utf8')

/** Runs `systemd-analyze` on the unit. The folder and the program only have to exist. */
async function analyze (t: Test, args: string[], text = unit) {
  const dir = t.testdir()
  const file = join(dir, 'cashsouk-auth.service')
  await writeFile(file, text
    .replace('WorkingDirectory=/opt/cashsouk-auth', `WorkingDirectory=${dir}`)
    .replace('/usr/bin/node', process.execPath))
  const { status, stdout, stderr, error } = spawnSync('systemd-analyze', [...args, file], {
    encoding: 'utf8', timeout: 60_000
  })
  if (error !== undefined) throw error
  // Other units of the machine may have problems of their own.
  return { status, problems: stderr.split('\n').filter((line) => line.startsWith(file)), stdout }
}

test('systemd-analyze verify finds nothing wrong with the unit', async (t) => {
  const { status, problems } = await analyze(t, ['verify'])

  t.equal(status, 0)
  t.same(problems, [])
  const misspelt = await analyze(t, ['verify'], unit.replace('ProtectHome', 'ProtectHom'))
  t.match(misspelt.problems, [/Unknown key/])
})

test('The unit is sandboxed', async (t) => {
  const { status, stdout } = await analyze(t, ['security', '--offline=true', '--threshold=20'])

  t.equal(status, 0, stdout.slice(-200))
})

test('The unit gives a drain its time, and starts the server that the image starts', async (t) => {
  const server = await readFile(new URL('src/serve.ts', rootUrl), 'utf8')
  const grace = Number(/GRACE_MS = (\d+)_000/.exec(server)?.[1])

  t.ok(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1]) > 5 + grace)
  t.match(unit, /^ExecStart=\/usr\/bin\/node dist\/src\/server\.js$/m)
  t.match(await readFile(new URL('Dockerfile', rootUrl), 'utf8'), 'CMD ["node", "dist/src/server.js"]')
})
