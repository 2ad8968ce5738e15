import type { Scenario } from '../scenario.js'
import * as database from './database.js'
import * as failover from './failover.js'
import * as instances from './instances.js'
import * as patroni from './patroni.js'
import { providers } from './provider.js'

export const SCENARIOS: Scenario[] = [
  database.killed,
  database.frozen,
  ...database.networks,
  database.locked,
  database.exhausted,
  database.full,
  database.readOnly,
  failover.switchover,
  failover.primaryKilled,
  patroni.switchover,
  patroni.killed,
  patroni.cutOff,
  instances.killed,
  instances.restarted,
  ...providers
]
