/** The primary dies, or hands over, and a standby is promoted. @module */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../cluster.js'
import { createStandby, type Postgres } from '../postgres.js'
import { until } from '../processes.js'
import { ANSWER_MS, PROMOTION_MS, type Scenario } from '../scenario.js'

const bounds = { answer: ANSWER_MS, recovery: PROMOTION_MS }

/** Of each cluster: who is primary, and who follows. */
const pairs = new WeakMap<Cluster, { primary: Postgres, standby: Postgres }>()

let standbys = 0

async function follow (cluster: Cluster, primary: Postgres): Promise<Postgres> {
  const standby = await createStandby(join(cluster.folder, 'standby'), primary, `standby${++standbys}`)
  // An acknowledged change is then on both: nothing is lost by a promotion.
  await primary.query('ALTER SYSTEM SET synchronous_standby_names = \'*\'')
  await primary.query('SELECT pg_reload_conf()')
  await until('the standby is synchronous', async () =>
    (await primary.query('SELECT 1 FROM pg_stat_replication WHERE sync_state = \'sync\'')).length > 0)
  return standby
}

async function prepare (cluster: Cluster): Promise<void> {
  pairs.set(cluster, { primary: cluster.postgres, standby: await follow(cluster, cluster.postgres) })
}

async function promote (cluster: Cluster, leave: (former: Postgres) => Promise<void>): Promise<void> {
  const { primary, standby } = pairs.get(cluster) ?? { primary: cluster.postgres, standby: cluster.postgres }
  await leave(primary)
  // The next standby has not been made yet: a primary that waits for it would not answer.
  await standby.query('ALTER SYSTEM SET synchronous_standby_names = \'\'')
  await standby.query('SELECT pg_reload_conf(), pg_promote()')
  await until('the standby is promoted', async () =>
    (await standby.query('SELECT pg_is_in_recovery() AS standby'))[0]?.standby === false)
  cluster.gate.target = standby.port
  pairs.set(cluster, { primary: standby, standby: primary })
}

/** The former primary begins again as a standby of the present one. */
async function rebuild (cluster: Cluster): Promise<void> {
  const { primary, standby: former } = pairs.get(cluster) ?? { primary: cluster.postgres, standby: cluster.postgres }
  await former.kill()
  rmSync(former.dataDir, { recursive: true, force: true })
  pairs.set(cluster, { primary, standby: await follow(cluster, primary) })
}

async function tidy (cluster: Cluster): Promise<void> {
  const { primary, standby } = pairs.get(cluster) ?? { primary: cluster.postgres, standby: cluster.postgres }
  await standby.kill()
  await primary.kill()
}

export const primaryKilled: Scenario = {
  name: 'failover',
  what: 'the primary gets SIGKILL, and its synchronous standby is promoted behind the same address',
  bounds,
  times: 5,
  prepare,
  async fault (cluster) {
    await promote(cluster, (former) => former.kill())
    cluster.gate.cut()
  },
  whole: rebuild,
  tidy
}

export const switchover: Scenario = {
  name: 'switchover',
  what: 'the primary is shut down in order, and its synchronous standby is promoted',
  bounds,
  times: 5,
  prepare,
  async fault (cluster) {
    await promote(cluster, (former) => former.stop())
  },
  whole: rebuild,
  tidy
}
