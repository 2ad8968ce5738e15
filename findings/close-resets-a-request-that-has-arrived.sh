#!/usr/bin/env bash
# What one would expect of a graceful close: the server takes no new connections, and whatever had been sent before is
# answered, above all with return503OnClosing: false.
#
# What happens in Fastify 5.12.8 on Linux: a client that has connected and sent its whole request is reset, if the event
# loop was busy meanwhile. The system had accepted the connection on behalf of the process, which closes its listener
# before it has asked for it. A proxy in front repeats a GET at another instance. It answers 502 for a POST, since that
# was sent. So rolling restarts fail a request now and then, the more the busier the instance is.
#
# A poll of the event loop before the close is enough: it takes the connections that wait. That needs setImmediate twice,
# because the turn that was busy has polled before.
#
# expected:
# close(): ECONNRESET
# setImmediate, then close(): ECONNRESET
# setImmediate twice, then close(): HTTP/1.1 200 OK
# end
. "$(dirname "$0")/lib.sh"
install fastify@5.12.8
cat > client.cjs <<'JS'
const { parentPort, workerData: { port, sent } } = require('node:worker_threads')
const socket = require('node:net').connect(port, '127.0.0.1', () => {
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n', () => {
    Atomics.store(sent, 0, 1)
    Atomics.notify(sent, 0)
  })
})
let answer = ''
socket.on('data', (bytes) => { answer += bytes })
socket.on('error', ({ code }) => { answer += code })
socket.on('close', () => { parentPort.postMessage(answer.split('\r\n', 1)[0]) })
JS
run <<'JS'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import Fastify from 'fastify'

for (const [turns, what] of [[0, ''], [1, 'setImmediate, then '], [2, 'setImmediate twice, then ']]) {
  const app = Fastify({ return503OnClosing: false })
  app.post('/', async (request, reply) => reply.header('connection', 'close').send('done'))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const sent = new Int32Array(new SharedArrayBuffer(4))
  const client = new Worker('./client.cjs', { workerData: { port: app.server.address().port, sent } })
  const answer = once(client, 'message')
  await once(client, 'online')
  Atomics.wait(sent, 0, 0) // this thread is busy until the request has been sent
  for (let n = 0; n < turns; n++) await turn()
  await app.close()
  console.log(`${what}close(): ${await answer}`)
}
JS
