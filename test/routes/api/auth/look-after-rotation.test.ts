import { test } from 'tap'
import { freePort } from '../../../../local/free-port.js'
import { browser, signIn } from '../../../support/browser.js'
import { pass } from '../../../support/pass.js'
import { instance, server } from '../../../support/server.js'

const secret = 'another secret of a test and of nothing else'

for (const [what, secrets, more] of [
  ['no rotation', undefined, {}],
  ['no rotation, plain ids', undefined, { SESSION_HASH_IDS: 'false' }],
  ['a rotation', (old: string) => `${secret},${old}`, {}],
  ['a rotation, plain ids', (old: string) => `${secret},${old}`, { SESSION_HASH_IDS: 'false' }],
  ['a rotation that has not begun to sign', (old: string) => `${old},${secret}`, {}]
] as [string, ((old: string) => string) | undefined, Record<string, string>][]) {
  for (const [method, path] of [['HEAD', 'me'], ['GET', 'me?slide=false']] as const) {
    for (const site of ['same-origin', undefined]) {
      test(`${method} ${path} after ${what} does not extend the session (${String(site)})`, async (t) => {
        const setup = await server(t, more)
        const user = browser()
        await signIn(user, setup.url)
        if (secrets !== undefined) {
          await setup.fastify.close()
          await instance(t, { ...setup.env, SESSION_SECRET: secrets(setup.env.SESSION_SECRET ?? '') })
        }
        await pass(setup.database, 300)
        const expiry = () => setup.database.query('SELECT expire FROM session WHERE sess->\'user\' IS NOT NULL')
        const before = await expiry()
        const page = await user.send(method, `${setup.url}/api/auth/${path}`, {
          headers: site === undefined ? {} : { 'sec-fetch-site': site }
        })
        t.equal(page.status, 200)
        t.same(page.headers.getSetCookie(), [])
        t.same(await expiry(), before)
      })
    }
  }
}

test('During a rotation, a page that polls me?slide=false does not keep its session alive', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url)
  await setup.fastify.close()
  await instance(t, { ...setup.env, SESSION_SECRET: `${secret},${setup.env.SESSION_SECRET}` })
  const left: number[] = []
  for (let i = 0; i < 5; i++) {
    await pass(setup.database, 250)
    const page = await user.get(`${setup.url}/api/auth/me?slide=false`)
    left.push(page.status === 200 ? (JSON.parse(page.text) as { expiresInSeconds: number }).expiresInSeconds : 0)
  }
  t.comment(left.join())
  t.ok(left[4] === 0, 'unused for 1,250 s of 900')
})

test('During a rotation, instances of both steps do not keep the session of a polling page alive', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url)
  await setup.fastify.close()
  const ports = [Number(setup.env.PORT), await freePort()]
  const old = setup.env.SESSION_SECRET ?? ''
  await instance(t, { ...setup.env, SESSION_SECRET: `${old},${secret}` })
  await instance(t, { ...setup.env, SESSION_SECRET: `${secret},${old}`, PORT: String(ports[1]) })
  const left: number[] = []
  for (let i = 0; i < 8; i++) {
    await pass(setup.database, 250)
    const page = await user.get(`${setup.url}/api/auth/me?slide=false`, { via: ports[i % 2] as number })
    left.push(page.status === 200 ? (JSON.parse(page.text) as { expiresInSeconds: number }).expiresInSeconds : 0)
  }
  t.equal(left.at(-1), 0, `unused for 2,000 s of 900: ${left.join()}`)
})
