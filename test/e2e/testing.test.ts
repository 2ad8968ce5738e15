import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { database } from '../support/database.js'
import { linkedApplication, sampleOf } from '../support/linked.js'
import { start } from '../support/process.js'
import { rootUrl } from '../support/root.js'

const page = await readFile(new URL('docs/testing.md', rootUrl), 'utf8')

/** Playwright with Debian's Chromium, as root. */
const PLAYWRIGHT = `
import { chromium as own } from 'playwright-core'
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
export const chromium = { launch: () => own.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] }) }
`

test('The sample of docs/testing.md passes in Chromium: In a browser, with Playwright', async (t) => {
  const folder = await linkedApplication(t, ['fastify', 'playwright-core'])
  const [db, port] = [await database(t), await freePort()]
  await mkdir(join(folder, 'node_modules/playwright'))
  await writeFile(join(folder, 'node_modules/playwright/index.js'), PLAYWRIGHT)
  await writeFile(join(folder, 'node_modules/playwright/package.json'), '{"type":"module","exports":"./index.js"}')
  await writeFile(join(folder, 'app.js'), sampleOf(page, 'The application'))
  await writeFile(join(folder, 'sample.test.js'), sampleOf(page, 'In a browser, with Playwright'))

  const sample = start(t, process.execPath, ['--test', '--test-reporter=tap', 'sample.test.js'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DATABASE_URL: db.url,
      PORT: String(port),
      PUBLIC_URL: `http://localhost:${port}`,
      SESSION_SECRET: 's'.repeat(32),
      COGNITO_DOMAIN: 'https://cognito.invalid',
      COGNITO_ISSUER: 'https://cognito.invalid/pool',
      COGNITO_CLIENT_ID: 'tests'
    }
  })
  await sample.ended

  t.match(sample.stdout(), /^# pass 1$/m)
  t.match(sample.stdout(), /^# fail 0$/m)
})
