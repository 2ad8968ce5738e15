import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** The connection string of `url` through a Unix socket, as Cloud SQL has it: the host is a parameter. */
export async function throughUnixSocket (t: Test, url: string): Promise<string> {
  const { port, hostname, username, password, pathname } = new URL(url)
  const folder = mkdtempSync(join(tmpdir(), 'cloudsql-'))
  const instance = join(folder, 'project:europe-west1:instance')
  mkdirSync(instance)
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far).pipe(near)
  }).listen(join(instance, '.s.PGSQL.5432'))
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })
  return `postgresql://${username}:${password}@${pathname}?host=${instance}`
}
