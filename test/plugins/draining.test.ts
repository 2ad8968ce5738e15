import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { test, type Test } from 'tap'
import draining from '../../plugins/draining.js'

async function build (t: Test) {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(draining)
  fastify.get('/', async () => 'x')
  fastify.get('/error', async () => { throw new Error('x') })
  return fastify
}

test('a server does not drain until draining is started', async (t) => {
  const fastify = await build(t)
  t.equal(fastify.draining.started, false)
  t.not((await fastify.inject('/')).headers.connection, 'close')
})

for (const url of ['/', '/error', '/nowhere']) {
  test(`while draining, ${url} is answered as before and closes its connection`, async (t) => {
    const fastify = await build(t)
    const { statusCode, body } = await fastify.inject(url)

    fastify.draining.start()

    t.equal(fastify.draining.started, true)
    const reply = await fastify.inject(url)
    t.equal(reply.headers.connection, 'close')
    t.same([reply.statusCode, reply.body], [statusCode, body])
  })
}

test('draining can be started twice, and `started` cannot be assigned', async (t) => {
  const fastify = await build(t)
  t.throws(() => { Object.assign(fastify.draining, { started: true }) }, { name: 'TypeError' })
  fastify.draining.start()
  fastify.draining.start()
  t.equal(fastify.draining.started, true)
})

test('a server that closes drains', async (t) => {
  const fastify = await build(t)
  const draining = fastify.draining
  await fastify.close()
  t.equal(draining.started, true)
})

test('requests are counted while they are answered, and only once', async (t) => {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  // An application's hook that answers before the package sees the request.
  fastify.addHook('onRequest', async ({ url }, reply) => { if (url === '/early') return reply.send('x') })
  await fastify.register(draining)
  const counts: number[] = []
  for (const url of ['/', '/early', '/error']) {
    fastify.get(url, async () => {
      counts.push(fastify.draining.inFlight)
      if (url === '/error') throw new Error('x')
      return 'x'
    })
  }

  await fastify.inject('/')
  await fastify.inject('/early')
  await fastify.inject('/error')
  await Promise.all([fastify.inject('/'), fastify.inject('/'), fastify.inject('/nowhere')])

  t.same(counts.slice(0, 2), [1, 1])
  t.ok(Math.max(...counts) > 1)
  t.equal(fastify.draining.inFlight, 0)
})

test('the first response after draining began closes a kept-alive connection', async (t) => {
  const fastify = await build(t)
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  const { port } = fastify.server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => { agent.destroy() })
  const get = async () => {
    const sent = request({ host: '127.0.0.1', port, agent }).end()
    const [response] = await once(sent, 'response') as [IncomingMessage]
    const { socket } = response
    await once(response.resume(), 'end')
    return { socket, connection: response.headers.connection }
  }
  const before = await get()
  t.equal(before.connection, 'keep-alive')

  fastify.draining.start()
  const after = await get()

  t.equal(after.connection, 'close')
  t.equal(after.socket, before.socket, 'it is still answered on that connection')
  if (!after.socket.destroyed) await once(after.socket, 'close')
  t.equal(after.socket.destroyed, true)
})
