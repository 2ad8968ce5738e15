import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { browser, signIn } from '../support/browser.js'
import { cognito } from '../support/cognito.js'
import { database } from '../support/database.js'
import { Device, PUBLIC_URL } from '../support/device.js'
import { installed } from '../support/installed.js'
import { start } from '../support/process.js'
import { root } from '../support/root.js'

const SESSION = 'cashsouk.sid'

test('examples/device-bound binds sessions, requires it of ADMIN, and tells of a copied cookie', async (t) => {
  const [folder, db, port] = [await installed(t), await database(t), await freePort()]
  const pool = await cognito(t, { callbackUrl: `${PUBLIC_URL}/api/auth/callback`, logoutUrl: [`${PUBLIC_URL}/`] })
  await copyFile(join(root, 'examples/device-bound/server.js'), join(folder, 'server.js'))
  const program = start(t, process.execPath, [join(folder, 'server.js')], {
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      PUBLIC_URL,
      DATABASE_URL: db.url,
      SESSION_SECRET: 's'.repeat(32),
      ...pool.env
    }
  })
  await program.seen(/Server listening/)
  const newBrowser = () => browser({ via: { [PUBLIC_URL]: port } })
  const portfolio = `${PUBLIC_URL}/portfolio`
  const office = `${PUBLIC_URL}/back-office`

  const alice = newBrowser()
  await signIn(alice, PUBLIC_URL)
  t.match(await alice.get(portfolio), { status: 200, text: /Alice/ }, 'without a device')

  const carol = newBrowser()
  const { answer } = await signIn(carol, PUBLIC_URL, { person: 'carol', role: 'ADMIN' })
  const page = await carol.get(`${office}?a=b`, { redirect: 'manual' })
  t.match(page, { status: 302, location: `${PUBLIC_URL}/api/auth/device?returnTo=%2Fback-office%3Fa%3Db` })
  t.match((await carol.get(`${office}?a=b`)).text, /One moment/, 'a page that goes on once it is bound')
  const device = await Device.make()
  t.equal((await device.register(carol, answer)).status, 200)
  t.match(await carol.get(office), { status: 200, text: /Carol/ })

  const thief = newBrowser()
  thief.setCookie(PUBLIC_URL, `${SESSION}=${carol.cookie(SESSION)?.value ?? ''}; Path=/; Secure`)
  const script = { headers: { accept: 'application/json' } }
  t.match(await thief.get(office, script), { status: 401, text: /ERR_UNAUTHENTICATED/ })
  await program.seen(/A session cookie was copied/)
  t.equal((await carol.get(office)).status, 200)
})
