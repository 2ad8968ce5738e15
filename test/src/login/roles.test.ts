import { test } from 'tap'
import { grantedRoles } from '../../../src/login/roles.js'

const policy = { ROLES: ['INVESTOR', 'ISSUER', 'ADMIN'], OPEN_ROLES: ['INVESTOR', 'ISSUER'] }

test('a user in no group has the open roles', (t) => {
  t.same(grantedRoles([], policy), ['INVESTOR', 'ISSUER'])
  t.end()
})

test('every other role needs the group of the same name', (t) => {
  t.same(grantedRoles(['ADMIN'], policy), ['INVESTOR', 'ISSUER', 'ADMIN'])
  t.end()
})

for (const group of [
  'admin', 'Admin', 'ADMIN ', 'ADMINS', 'ADMI', '', 'INVESTOR,ADMIN', 'eu-west-1_AbC_ADMIN',
  '__proto__'
]) {
  test(`the group ${JSON.stringify(group)} does not grant ADMIN`, (t) => {
    t.same(grantedRoles([group], policy), ['INVESTOR', 'ISSUER'])
    t.end()
  })
}

test('a group outside ROLES grants nothing', (t) => {
  t.same(grantedRoles(['AUDITOR', 'ADMIN'], policy), ['INVESTOR', 'ISSUER', 'ADMIN'])
  t.end()
})

test('without open roles only groups grant roles', (t) => {
  const closed = { ...policy, OPEN_ROLES: [] }
  t.same(grantedRoles([], closed), [])
  t.same(grantedRoles(['ISSUER'], closed), ['ISSUER'])
  t.end()
})

test('an open role that is not in ROLES is not granted', (t) => {
  t.same(grantedRoles([], { ROLES: ['INVESTOR'], OPEN_ROLES: ['INVESTOR', 'ISSUER'] }), ['INVESTOR'])
  t.end()
})

test('ROLE_MAP grants roles by groups of another name, besides that of the same name', (t) => {
  const mapped = { ...policy, OPEN_ROLES: [], ROLE_MAP: ['admins=ADMIN', 'a=b=ADMIN', 'all=ISSUER', 'all=INVESTOR'] }
  t.same(grantedRoles(['admins'], mapped), ['ADMIN'])
  t.same(grantedRoles(['a=b'], mapped), ['ADMIN'])
  t.same(grantedRoles(['ADMIN'], mapped), ['ADMIN'])
  t.same(grantedRoles(['all'], mapped), ['INVESTOR', 'ISSUER'])
  for (const group of ['Admins', 'admin', 'a', 'b', 'b=ADMIN', 'admins=ADMIN', '']) {
    t.same(grantedRoles([group], mapped), [], JSON.stringify(group))
  }
  t.end()
})

test('a mapped role that is not in ROLES is not granted', (t) => {
  t.same(grantedRoles(['x'], { ROLES: ['ADMIN'], OPEN_ROLES: [], ROLE_MAP: ['x=OTHER'] }), [])
  t.end()
})

test('roles are unique and in the order of ROLES', (t) => {
  const other = { ROLES: ['ISSUER', 'ADMIN', 'INVESTOR'], OPEN_ROLES: ['INVESTOR'] }
  t.same(grantedRoles(['ADMIN', 'ISSUER', 'ADMIN', 'INVESTOR'], other), ['ISSUER', 'ADMIN', 'INVESTOR'])
  t.end()
})
