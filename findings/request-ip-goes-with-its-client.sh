#!/usr/bin/env bash
# What one would expect: `request.ip` is a string, as Fastify's types say, and a fact of the request. Behind a proxy it
# comes from `X-Forwarded-For`, which the request still has when its client has gone.
#
# What happens with Fastify 5.12.8: it is looked up when it is asked for. If that happens for the first time after the
# client has closed its connection, `request.ip` is undefined, also where it would come from `X-Forwarded-For` of a
# trusted proxy: whether to trust it depends on the address of the socket, which has none any more. If a hook or a
# logger has asked before, Node.js remembers the address, and nothing is missing.
#
# expected:
# direct, asked before: 127.0.0.1
# direct, first asked after the client has gone: undefined
# trusted proxy, asked before: 192.0.2.7
# trusted proxy, first asked after the client has gone: undefined
# end
. "$(dirname "$0")/lib.sh"
install fastify@5.12.8
run <<'JS'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import fastify from 'fastify'

async function ip (options, isAskedBefore) {
  const app = fastify(options)
  let tell
  const told = new Promise((resolve) => { tell = resolve })
  app.get('/', async (asked) => {
    if (isAskedBefore) void asked.ip
    client.destroy()
    await sleep(200)
    tell(asked.ip)
    return {}
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address()
  const client = request({ port, host: '127.0.0.1', headers: { 'x-forwarded-for': '192.0.2.7' } })
  client.on('error', () => {}).end()
  const found = await told
  await app.close()
  return found
}

for (const [name, options] of [['direct', {}], ['trusted proxy', { trustProxy: '127.0.0.1' }]]) {
  console.log(`${name}, asked before: ${await ip(options, true)}`)
  console.log(`${name}, first asked after the client has gone: ${await ip(options, false)}`)
}
JS
