import { createServer, type AddressInfo } from 'node:net'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'

test('a free port is none that an outgoing connection gets, and none that browsers refuse', async (t) => {
  for (let i = 0; i < 50; i++) {
    const port = await freePort()
    t.ok(port > 10_080 && port < 32_768, String(port))
  }
})

test('the preferred port is returned if it is free, and another one if not', async (t) => {
  const preferred = await freePort()
  t.equal(await freePort(preferred), preferred)
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(preferred, '127.0.0.1', resolve) })
  t.teardown(() => server.close())
  t.equal((server.address() as AddressInfo).port, preferred)
  t.not(await freePort(preferred), preferred)
})
