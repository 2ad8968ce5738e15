import { test } from 'tap'
import { chooseCookie } from '../../src/choose-cookie.js'

/** Cookies by their first letter: v and w name live sessions, d one that has ended, f is forged. */
async function choose (cookies: string[]) {
  const asked: string[] = []
  const idOf = (cookie: string) => cookie.startsWith('f') ? null : `id of ${cookie}`
  const found = await chooseCookie(cookies, idOf, async (id) => {
    asked.push(id)
    return !id.startsWith('id of d')
  })
  return { ...found, asked: asked.length }
}

for (const [cookies, chosen, asked] of [
  [[], undefined, 0], [['f'], undefined, 0], [['f', 'f2'], undefined, 0], [['f', 'v'], 'v', 0], [['f', 'd'], 'd', 0],
  [['d', 'v'], 'v', 2], [['v', 'd'], 'v', 2], [['v', 'w'], undefined, 2], [['d', 'd2'], undefined, 2],
  [['f', 'd', 'v', 'f2'], 'v', 2]
] as [string[], string | undefined, number][]) {
  test(`of [${cookies.join()}] the choice is ${chosen}`, async (t) => {
    t.match(await choose(cookies), { chosen, asked })
    t.same(
      (await choose(cookies)).ids,
      cookies.filter((cookie) => !cookie.startsWith('f')).map((one) => `id of ${one}`)
    )
  })
}

test('at most five valid cookies are looked up', async (t) => {
  const { ids, asked } = await choose(Array.from({ length: 20 }, (_, index) => `d${index}`))
  t.same([ids.length, asked], [5, 5])
})
