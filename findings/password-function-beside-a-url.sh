#!/usr/bin/env bash
# What one would expect: pg takes `password` as a function, asked for at each new connection, for credentials that
# expire (as RDS' IAM tokens do). Beside a `connectionString` without a password, the function gives it.
#
# What happens in pg 8.23.1: the members of the parsed string replace those of the configuration, also the ones that the
# string does not have. The function is never called, and a server that asks for a password gets none. With host and
# user as members of their own, the function is called.
#
# expected:
# connectionString: the function was called 0 times; the client says: client password must be a string
# members: the function was called 1 times; the client says: nothing
# end
. "$(dirname "$0")/lib.sh"
install pg@8.23.1
run <<'JS'
import net from 'node:net'
import pg from 'pg'
// As much of a server as asks for a password by SCRAM (the first message alone).
const server = net.createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => {
    const mechanism = Buffer.from('SCRAM-SHA-256\0\0')
    const head = Buffer.alloc(9)
    head.write('R')
    head.writeInt32BE(8 + mechanism.length, 1)
    head.writeInt32BE(10, 5)
    socket.write(Buffer.concat([head, mechanism]))
    socket.once('data', (bytes) => {
      const nonce = /r=([^,\0]+)/.exec(bytes.toString('latin1'))[1]
      const data = Buffer.from(`r=${nonce}server,s=c2FsdA==,i=4096`)
      const next = Buffer.alloc(9)
      next.write('R')
      next.writeInt32BE(8 + data.length, 1)
      next.writeInt32BE(11, 5)
      socket.write(Buffer.concat([next, data]))
      socket.once('data', () => { setTimeout(() => { socket.destroy() }, 100) })
    })
  })
})
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
const { port } = server.address()
for (const [name, config] of [
  ['connectionString', { connectionString: `postgres://user@127.0.0.1:${port}/database` }],
  ['members', { host: '127.0.0.1', port, user: 'user', database: 'database' }]
]) {
  let calls = 0
  const client = new pg.Client({ ...config, password: async () => { calls++; return 'token' } })
  client.on('error', () => {})
  const said = await client.connect().catch(({ message }) => /SASL.*: (.*)/.exec(message)?.[1] ?? 'nothing')
  console.log(`${name}: the function was called ${calls} times; the client says: ${said}`)
}
server.close()
process.exit()
JS
