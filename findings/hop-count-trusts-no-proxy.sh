#!/usr/bin/env bash
# What one would expect: `trustProxy: 1` of Fastify is `trust proxy` 1 of Express: the one proxy in front is trusted, and
# address, scheme and host are those of its headers.
#
# What happens in Fastify 5.12.8: a number is accepted without a word and trusts no proxy, so an application that moves from
# Express sees the proxy's own address for everyone, in its log and its rate limit, and http, so that it sets no secure
# cookie. Addresses, networks, `true` and a function work. Its reference says so; the type and the start of the server
# do not.
#
# expected:
# express 1: 203.0.113.9 https app.example.com
# fastify 1: 127.0.0.1 http 127.0.0.1:PORT
# fastify "127.0.0.1": 203.0.113.9 https app.example.com
# fastify true: 203.0.113.9 https app.example.com
# end
. "$(dirname "$0")/lib.sh"
install express@5.3.0 fastify@5.12.8
run <<'JS'
import express from 'express'
import Fastify from 'fastify'
const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example.com' }
const tell = async (name, url) => {
  const text = await (await fetch(url, { headers })).text()
  console.log(`${name}: ${text.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:PORT')}`)
}
const old = express().set('trust proxy', 1)
old.get('/', ({ ip, protocol, host }, response) => { response.send([ip, protocol, host].join(' ')) })
const server = old.listen(0, '127.0.0.1')
await new Promise((resolve) => server.on('listening', resolve))
await tell('express 1', `http://127.0.0.1:${server.address().port}`)
server.close()
for (const trustProxy of [1, '127.0.0.1', true]) {
  const app = Fastify({ trustProxy })
  app.get('/', async ({ ip, protocol, host }) => [ip, protocol, host].join(' '))
  await tell(`fastify ${JSON.stringify(trustProxy)}`, await app.listen({ host: '127.0.0.1', port: 0 }))
  await app.close()
}
JS
