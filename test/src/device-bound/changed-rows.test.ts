import { test } from 'tap'
import { DeviceBoundSessions } from '../../../src/device-bound/device-bound.js'
import type { PgSessionStore } from '../../../src/sessions/index.js'
import type { Config } from '../../../src/variables.js'

const config = {
  SESSION_SECRET: ['the secret of a test and of nothing else'], DEVICE_BOUND_SESSIONS: 'on', COOKIE_NAME: 'sid',
  https: true, prefix: '/api/auth'
}

test('A time that SQL has changed counts as none', (t) => {
  const sessions = new DeviceBoundSessions(config as unknown as Config, {} as PgSessionStore)
  const strayAt = (at: unknown): number =>
    sessions.stateOf({ deviceBinding: { id: 'x', key: {}, spent: 0, stray: { at } } }).strayAt

  t.equal(strayAt(1_700_000_000_000), 1_700_000_000_000)
  for (const at of ['1700000000000', null, {}, NaN, Infinity, -1, 1e300]) {
    t.equal(strayAt(at), 0)
    t.ok(new Date(strayAt(at)).toISOString())
  }
  t.end()
})
