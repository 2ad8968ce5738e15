/** Instances that die, and that are replaced. @module */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../processes.js'
import { ANSWER_MS, RECOVERY_MS, type Scenario } from '../scenario.js'

export const killed: Scenario = {
  name: 'instance-killed',
  what: 'a random instance gets SIGKILL, and starts again after 5 s',
  bounds: { answer: ANSWER_MS, recovery: RECOVERY_MS },
  times: 6,
  async fault ({ instances }) {
    const instance = instances[randomInt(instances.length)]
    await instance?.stop('SIGKILL')
    await sleep(5000)
    await instance?.start()
  }
}

export const restarted: Scenario = {
  name: 'rolling-restart',
  what: 'the instances get SIGTERM and start again, one after the other',
  bounds: { answer: ANSWER_MS, recovery: 0, failures: 0 },
  times: 50,
  async fault ({ instances }) {
    for (const instance of instances) {
      const status = await instance.stop('SIGTERM')
      if (status !== 0) throw new Error(`an instance has ended with ${status ?? 'a signal'}`)
      await instance.start()
      await until('the instance is ready', () => instance.isReady())
    }
  }
}
