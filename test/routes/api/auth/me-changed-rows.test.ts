/** `GET /api/auth/me` looks at a session or loads it; both answer the same on rows that SQL has changed. */
import { test } from 'tap'
import { browser, signIn, type Page } from '../../../support/browser.js'
import { sharedServer } from '../../../support/server.js'

const SID = 'cashsouk.sid'

const CHANGES: Record<string, string> = {
  'roles are missing': 'sess::jsonb - \'roles\'',
  'role is missing': 'sess::jsonb - \'role\'',
  'roles is text': 'jsonb_set(sess::jsonb, \'{roles}\', \'"ADMIN"\')',
  'roles holds other types': 'jsonb_set(sess::jsonb, \'{roles}\', \'[1,"ADMIN",null]\')',
  'role is a number': 'jsonb_set(sess::jsonb, \'{role}\', \'5\')',
  'sub is missing': 'sess::jsonb #- \'{user,sub}\'',
  'sub is empty': 'jsonb_set(sess::jsonb, \'{user,sub}\', \'""\')',
  'user is null': 'jsonb_set(sess::jsonb, \'{user}\', \'null\')',
  'user is text': 'jsonb_set(sess::jsonb, \'{user}\', \'"x"\')',
  'user is an array': 'jsonb_set(sess::jsonb, \'{user}\', \'[]\')',
  'authTime is text': 'jsonb_set(sess::jsonb, \'{authTime}\', \'"5"\')',
  'authTime is beyond all dates': 'jsonb_set(sess::jsonb, \'{authTime}\', \'1e300\')',
  'the time of creation is missing': 'sess::jsonb #- \'{~store,created}\'',
  'the cookie is missing': 'sess::jsonb - \'cookie\'',
  'the session is text': '\'"x"\'::jsonb'
}

/** Without what changes from one answer to the next. */
const told = ({ status, text }: Page): unknown => ({
  status,
  text: text
    .replaceAll(/"(serverTime|createdAt|expiresAt|absoluteExpiresAt)":"[^"]*"/g, '"$1":0')
    .replaceAll(/InSeconds":\d+/g, 'InSeconds":0')
    .replace(/"requestId":"[^"]*"/, '')
})

for (const [what, change] of Object.entries(CHANGES)) {
  test(`GET /api/auth/me where ${what}`, async (t) => {
    const { url, database } = await sharedServer({})
    const user = browser()
    await signIn(user, url, { person: 'carol' })
    const cookie = `${SID}=${user.cookie(SID)?.value ?? ''}`
    await database.query(`UPDATE session SET sess = (${change})::json WHERE sess->'user' IS NOT NULL`)
    const ask = async (header: string): Promise<Page> =>
      browser().get(`${url}/api/auth/me?slide=false`, { headers: { cookie: header } })

    const looked = await ask(cookie)
    const loaded = await ask(`${cookie}; ${SID}=junk`)

    t.ok([200, 401].includes(looked.status), looked.text)
    t.same(told(looked), told(loaded))
    await database.query('DELETE FROM session')
  })
}
