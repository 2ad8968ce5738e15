import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import Fastify from 'fastify'
import { test } from 'tap'
import { standalone } from '../index.js'
import { options } from '../src/app.js'
import { loadConfig } from '../src/config.js'

const config = loadConfig({
  DATABASE_URL: 'postgres://user@localhost/database',
  SESSION_SECRET: 'a secret of a test and of nothing else',
  COGNITO_ISSUER: 'https://issuer.example.com',
  COGNITO_DOMAIN: 'https://example.com',
  COGNITO_CLIENT_ID: 'example'
})

/** The answer to a request that comes in on an open connection once the server closes. */
async function answerWhileClosing (path: string): Promise<string> {
  const fastify = Fastify(options)
  await fastify.register(standalone, { config })
  fastify.get('/', async () => ({ served: true }))
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  const { port } = fastify.server.address() as AddressInfo
  const accepted = once(fastify.server, 'connection')
  const socket = connect(port, '127.0.0.1')
  const received = text(socket)
  await accepted

  const closed = fastify.close()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await closed
  return received
}

for (const [path, status, body] of [
  ['/', 200, /\{"served":true\}$/],
  ['/nowhere', 404, /"code":"ERR_NOT_FOUND","message":"Not found","requestId":"[\w-]+"\}$/],
  ['/%', 400, /"code":"ERR_VALIDATION","message":"The URL is malformed","requestId":"[\w-]+"\}$/]
] as const) {
  test(`While the server closes, ${path} is answered as before, with all headers`, async (t) => {
    const answer = await answerWhileClosing(path)

    t.match(answer, `HTTP/1.1 ${status} `)
    t.match(answer, /^cache-control: no-store/im)
    t.equal(answer.match(/^connection: close\r$/gim)?.length, 1, answer)
    t.match(answer, body)
  })
}
