const express = require('express')
const session = require('express-session')
const { PgSessionStore } = require('cashsouk-auth/session-store')

test('a session is stored and read', async () => {
  const store = new PgSessionStore({ conString: process.env.DATABASE_URL })
  const app = express()
  app.use(session({ store, secret: 's'.repeat(32), resave: false, saveUninitialized: false }))
  app.get('/', (request, response) => {
    request.session.views = (request.session.views ?? 0) + 1
    response.json(request.session.views)
  })
  const server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => { server.once('listening', resolve) })
  const url = `http://127.0.0.1:${server.address().port}/`
  try {
    const first = await fetch(url)
    const [cookie] = first.headers.getSetCookie()[0].split(';')
    expect(await first.json()).toBe(1)
    expect(await (await fetch(url, { headers: { cookie } })).json()).toBe(2)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => { server.close(resolve) })
    await store.close()
  }
})
