/** The same under a cluster manager: Patroni decides who leads. @module */
import type { Cluster } from '../cluster.js'
import { canRunPatroni, startPatroni, type Node, type PatroniCluster } from '../patroni.js'
import { until } from '../processes.js'
import { ANSWER_MS, PROMOTION_MS, type Scenario } from '../scenario.js'

const managed = new WeakMap<Cluster, PatroniCluster>()

/** The instances move to the managed cluster. */
async function prepare (cluster: Cluster): Promise<void> {
  const patroni = await startPatroni(cluster.folder)
  managed.set(cluster, patroni)
  await Promise.all(cluster.instances.map((instance) => instance.stop('SIGKILL')))
  cluster.gate.target = patroni.port
  cluster.gate.cut()
  await Promise.all(cluster.instances.map((instance) => instance.start()))
}

function patroniOf (cluster: Cluster): PatroniCluster {
  const patroni = managed.get(cluster)
  if (patroni === undefined) throw new Error('the cluster has no Patroni')
  return patroni
}

const base = {
  bounds: { answer: ANSWER_MS, recovery: PROMOTION_MS },
  times: 10,
  isPossible: canRunPatroni,
  prepare,
  tidy: (cluster: Cluster) => patroniOf(cluster).close()
}

/** Waits until another node leads: that is the end of the fault. */
async function replaced (patroni: PatroniCluster, former: Node): Promise<void> {
  await until('another node leads', async () => {
    const leaders = await Promise.all(patroni.nodes.map(async (node) => node !== former && await node.isLeader()))
    return leaders.includes(true)
  }, 90_000)
}

export const switchover: Scenario = {
  ...base,
  name: 'patroni-switchover',
  what: 'Patroni makes another node the leader',
  async fault (cluster) {
    const patroni = patroniOf(cluster)
    const leader = await patroni.leader()
    await patroni.switchover(leader)
    await replaced(patroni, leader)
  },
  whole: (cluster) => patroniOf(cluster).whole()
}

export const killed: Scenario = {
  ...base,
  name: 'patroni-leader-killed',
  what: 'Patroni\'s leader gets SIGKILL, with its Patroni',
  async fault (cluster) {
    const patroni = patroniOf(cluster)
    const leader = await patroni.leader()
    await leader.kill()
    await replaced(patroni, leader)
    await leader.start()
  },
  whole: (cluster) => patroniOf(cluster).whole()
}

export const cutOff: Scenario = {
  ...base,
  name: 'patroni-leader-cut-off',
  what: 'Patroni\'s leader cannot reach etcd',
  async fault (cluster) {
    const patroni = patroniOf(cluster)
    const leader = await patroni.leader()
    await leader.gate.set('silent')
    await replaced(patroni, leader)
    await leader.gate.set('open')
  },
  whole: (cluster) => patroniOf(cluster).whole()
}
