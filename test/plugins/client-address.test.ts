import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { test, type Test } from 'tap'
import clientAddress from '../../plugins/client-address.js'

async function build (t: Test, TRUST_PROXY: string[]) {
  const fastify = Fastify({ trustProxy: TRUST_PROXY.length > 0 ? TRUST_PROXY : false })
  t.teardown(() => fastify.close())
  const config = { TRUST_PROXY }
  await fastify.register(fp(async (app) => { app.decorate('config', config as never) }, { name: 'config' }))
  await fastify.register(clientAddress)
  fastify.get('/', async ({ ip, headers }) => ({ ip, header: headers['x-forwarded-for'] }))
  return async (forwarded?: string) => (await fastify.inject({
    url: '/', remoteAddress: '10.0.0.1', headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  })).json<{ ip: string, header?: string }>()
}

test('with TRUST_PROXY, request.ip has no port', async (t) => {
  const ask = await build(t, ['10.0.0.0/8'])
  t.equal((await ask('203.0.113.7:41234')).ip, '203.0.113.7')
  t.equal((await ask('203.0.113.7:41234, 10.0.0.2:80')).ip, '203.0.113.7', 'proxies are recognised with their port')
  t.equal((await ask()).ip, '10.0.0.1')
})

test('without TRUST_PROXY the header is left alone', async (t) => {
  const ask = await build(t, [])
  t.same(await ask('203.0.113.7:41234'), { ip: '10.0.0.1', header: '203.0.113.7:41234' })
})
