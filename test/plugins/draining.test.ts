import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Worker } from 'node:worker_threads'
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

/** Sends a POST from another thread, while this one is busy until `written` is set. */
const SENDER = `
  const { parentPort, workerData: { port, written } } = require('node:worker_threads')
  const socket = require('node:net').connect(port, '127.0.0.1', () => {
    socket.write('POST / HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n', () => {
      Atomics.store(written, 0, 1)
      Atomics.notify(written, 0)
    })
  })
  let answer = ''
  socket.on('data', (bytes) => { answer += bytes })
  socket.on('error', (error) => { answer += error.code })
  socket.on('close', () => { parentPort.postMessage(answer) })
`

test('a request that has arrived when the server closes is answered', async (t) => {
  const fastify = Fastify({ return503OnClosing: false })
  await fastify.register(draining)
  fastify.post('/', async () => 'done')
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  const written = new Int32Array(new SharedArrayBuffer(4))
  const { port } = fastify.server.address() as AddressInfo
  const sender = new Worker(SENDER, { eval: true, workerData: { port, written } })
  const answer = once(sender, 'message')
  await once(sender, 'online')

  Atomics.wait(written, 0, 0, 10_000)
  await fastify.close()

  t.match(await answer, [/^HTTP\/1\.1 200 OK[^]*done$/])
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
