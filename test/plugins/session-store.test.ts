import { test } from 'tap'
import { database } from '../support/database.js'
import { server } from '../support/server.js'

for (const [columns, reason] of [
  ['sid varchar PRIMARY KEY, sess json NOT NULL, expire integer NOT NULL', /"expire".* integer/],
  ['sid varchar PRIMARY KEY, expire timestamp NOT NULL', /no column "sess"/],
  ['sid varchar NOT NULL, sess json NOT NULL, expire timestamp NOT NULL', /"sid".*unique/]
] as const) {
  test(`A table (${columns}) fails the start by name`, async (t) => {
    const db = await database(t)
    await db.query(`CREATE TABLE session (${columns})`)
    await t.rejects(server(t, { DATABASE_URL: db.url }), { code: 'ERR_CONFIG', message: reason })
  })
}
