import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { THIS_BUILD, type Build } from '../builds.js'
import type { Bench } from '../measure.js'
import { ofBaseline, THIS_SERVER } from '../names.js'
import { startServer } from '../processes.js'
import { planForMe } from './me.js'

const PRELOAD = new URL('../servers/count-hashes.js', import.meta.url).href

/** Workload `hashes`: calls of `crypto.createHash` and `crypto.hash` per `GET /api/auth/me`. */
export async function hashes (bench: Bench): Promise<Record<string, number>> {
  const found: Record<string, number> = { [THIS_SERVER]: await hashesOf(bench, THIS_BUILD) }
  if (bench.baseline !== undefined) found[ofBaseline(THIS_SERVER)] = await hashesOf(bench, bench.baseline)
  return found
}

async function hashesOf (bench: Bench, build: Build): Promise<number> {
  const { database, load, options, provider, folder } = bench
  bench.say(`hashes: ${build.label}`)
  const file = join(folder, 'hashes')
  const skip = 2 * options.sessions
  const table = await database.create()
  const server = await startServer('this-server', {
    DATABASE_URL: table.url,
    PROVIDER_URL: provider.url,
    HASHES_FILE: file,
    HASHES_SKIP: String(skip)
  }, { build, preload: PRELOAD })
  try {
    const contestant = { name: THIS_SERVER, server, table, close: () => server.close() }
    const plan = await planForMe(bench, contestant, false)
    const { connections, seconds } = options
    let requests = 0
    while (requests < 2 * skip) {
      const time = { warmUp: 0, seconds }
      const { total } = await load.run({ port: server.port, connections, plan, ...time }, { begun () {}, ended () {} })
      requests += total
    }
  } finally {
    await server.close()
    await table.close()
  }
  return Number(await readFile(file, 'utf8'))
}
