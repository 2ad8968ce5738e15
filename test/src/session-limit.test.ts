import { test } from 'tap'
import { sessionLimit } from '../../src/session-limit.js'

test('a number limits all sessions of a user', (t) => {
  t.same(sessionLimit('3', 'ADMIN'), { max: 3, roles: { except: [] } })
  t.equal(sessionLimit(undefined, 'ADMIN'), undefined)
  t.end()
})

test('pairs limit the sessions of a role, and * those of all others together', (t) => {
  t.same(sessionLimit('ADMIN=1,*=5', 'ADMIN'), { max: 1, roles: { only: ['ADMIN'] } })
  t.same(sessionLimit('ADMIN=1,*=5', 'INVESTOR'), { max: 5, roles: { except: ['ADMIN'] } })
  t.same(sessionLimit('*=5', 'INVESTOR'), { max: 5, roles: { except: [] } })
  t.equal(sessionLimit('ADMIN=1', 'INVESTOR'), undefined)
  t.end()
})
