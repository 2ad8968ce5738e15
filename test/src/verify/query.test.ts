import { test } from 'tap'
import { DemandProblem, demandOf, oauth2Demand } from '../../../src/verify/query.js'

const ROLES = ['INVESTOR', 'ADMIN']

test('The parameters of verify become a demand', (t) => {
  t.same(demandOf({}, ROLES), { slide: false })
  t.same(
    demandOf({ role: 'ADMIN', max_age: '300', slide: 'true' }, ROLES),
    { roles: ['ADMIN'], maxAge: 300, slide: true }
  )
  t.same(demandOf({ max_age: '1' }, ROLES), { maxAge: 1, slide: false })
  t.same(demandOf({ max_age: '86400', slide: 'false' }, ROLES), { maxAge: 86_400, slide: false })
  t.end()
})

test('allowed_groups takes the place of role', (t) => {
  t.same(
    oauth2Demand({ allowed_groups: 'x,ADMIN', max_age: '9' }, ROLES),
    { roles: ['ADMIN'], maxAge: 9, slide: false }
  )
  t.same(oauth2Demand({}, ROLES), { slide: false })
  for (const query of [{ allowed_groups: '' }, { allowed_groups: ['ADMIN', 'ADMIN'] }, { role: 'ADMIN' }]) {
    t.type(oauth2Demand(query, ROLES), DemandProblem)
  }
  t.end()
})

test('What is wrong is named without the value or the name that a visitor may have added', (t) => {
  for (const query of [
    { secret: 'secret' }, { secret: ['secret', 'secret'] }, { role: 'secret' }, { max_age: 'secret' }
  ]) {
    const problem = demandOf(query, ROLES)
    if (!(problem instanceof DemandProblem)) throw new Error('no problem')
    t.notMatch(problem.reason, /secret/)
  }
  t.end()
})
