import { createServer, type AddressInfo } from 'node:net'

/**
 * A port of 127.0.0.1 that was free a moment ago.
 *
 * @param preferred returned if it is free; 0: any port.
 */
export async function freePort (preferred = 0): Promise<number> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(preferred, '127.0.0.1', resolve)
    })
  } catch (error) {
    if (preferred === 0) throw error
    return freePort()
  }
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => { server.close(resolve) })
  return port
}
