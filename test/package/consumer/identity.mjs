// The package in ECMAScript modules and in CommonJS, in one process and on one table.
import { createRequire } from 'node:module'
import * as imported from 'cashsouk-auth/session-store'

const required = createRequire(import.meta.url)('cashsouk-auth/session-store')
const conString = process.env.DATABASE_URL
const stores = [imported, required].map(({ PgSessionStore }) => new PgSessionStore({ conString }))
await stores[0].promises.set('id', { views: 1 })
const stored = await stores[1].promises.get('id')
await Promise.all(stores.map((store) => store.close()))
const error = await stores[1].promises.get('id').catch((error) => error)
console.log(JSON.stringify({
  names: [imported, required].map((names) => Object.keys(names).filter((name) => /^[a-zA-Z_]+$/.test(name)).sort()),
  views: stored.views,
  error: [error.code, error instanceof required.ERR_DATABASE, error instanceof imported.ERR_DATABASE],
  sameClass: imported.PgSessionStore === required.PgSessionStore
}))
