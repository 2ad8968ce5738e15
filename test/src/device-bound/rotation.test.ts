import { test } from 'tap'
import { DeviceBoundSessions, type DeviceState } from '../../../src/device-bound/device-bound.js'
import type { PgSessionStore } from '../../../src/sessions/index.js'
import type { Config } from '../../../src/variables.js'

const OLD = 'an old secret of a test and of nothing else'
const NEW = 'a new secret of a test and of nothing else'
const NOW = 1_700_000_000_000

test('The cookie of a device follows a change of SESSION_SECRET', (t) => {
  const config = {
    SESSION_SECRET: [OLD], DEVICE_BOUND_SESSIONS: 'on', COOKIE_NAME: 'sid', https: true, prefix: '/api/auth'
  }
  const sessions = new DeviceBoundSessions(config as unknown as Config, {} as PgSessionStore)
  const bound: DeviceState = { id: 'device', isRequired: false, strayAt: 0 }
  const cookieNow = () => {
    const { name, value } = sessions.provisionalCookie('session', NOW)
    return `${name}=${encodeURIComponent(value)}`
  }
  const standing = (cookie: string) => sessions.standing(bound, 'session', cookie, NOW)
  const old = cookieNow()
  t.equal(standing(old), 'bound')

  config.SESSION_SECRET = [NEW, OLD]
  t.equal(standing(old), 'bound', 'all secrets verify')
  const rotated = cookieNow()
  config.SESSION_SECRET = [NEW]

  t.same([standing(old), standing(rotated)], ['missing', 'bound'], 'the first signs')
  t.end()
})
