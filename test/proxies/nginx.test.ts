import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { test } from 'tap'
import { serve } from '../support/agent.js'
import { front, nginxProxy } from '../support/guarded.js'
import { suite } from './suite.js'

suite(nginxProxy)

test('nginx: a location that is added to the example is guarded, and hands on no identity of a visitor', async (t) => {
  let status = 200
  const auth = await serve(t, (_request, response) => { response.writeHead(status).end() })
  const { port, application } = await front(t, nginxProxy, {
    auth: Number(new URL(auth).port),
    edit: (text) => text.replace('  location / {', `  location /added/ {
    proxy_set_header X-Own 1;
    proxy_pass http://application;
  }

  location / {`)
  })
  const get = async (headers: Record<string, string>) => {
    const sent = request({ host: '127.0.0.1', port, path: '/added/', agent: false, headers }).end()
    const [answer] = await once(sent, 'response') as [IncomingMessage]
    answer.resume()
    return answer.statusCode
  }

  t.equal(await get({}), 200)
  t.ok(application.received.pop()?.rawHeaders.includes('X-Own'))
  t.equal(await get({ 'x-auth-email': 'evil' }), 400)
  t.equal(await get({ 'X-AUTH-ROLES': '0' }), 400)
  status = 401
  t.equal(await get({}), 401)
  t.same(application.received, [])
})
