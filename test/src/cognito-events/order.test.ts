import { test } from 'tap'
import { orderOf } from '../../../src/cognito-events/order.js'
import { poolIds } from '../../../src/cognito-events/pools.js'
import { CloudTrailEvent, type CloudTrailBody } from '../../../src/cognito-events/schema.js'

const CONFIG = {
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
  COGNITO_ISSUER: [],
  ROLES: ['INVESTOR', 'ISSUER', 'ADMIN'],
  OPEN_ROLES: ['INVESTOR', 'ISSUER'],
  ROLE_MAP: ['staff=ADMIN', 'everyone=INVESTOR']
}
const [EXAMPLE] = CloudTrailEvent.examples
const NOW_MS = Date.parse('2026-01-31T09:01:00Z')

const order = (detail: Partial<CloudTrailBody['detail']> = {}) =>
  orderOf({ ...EXAMPLE, detail: { ...EXAMPLE.detail, ...detail } }, CONFIG, NOW_MS)

test('The example of the document ends the sessions of its user', (t) => {
  t.same(order(), {
    operation: 'AdminDisableUser',
    atMs: Date.parse('2026-01-31T09:00:00Z'),
    user: '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f',
    roles: undefined,
    ip: '192.0.2.1'
  })
  t.end()
})

test('Both ways in which Cognito hides a user name are known', (t) => {
  const userPoolId = CONFIG.COGNITO_USER_POOL_ID
  for (const username of ['HIDDEN_DUE_TO_SECURITY_REASONS', 'HIDDEN_FOR_SECURITY_REASONS', '', null]) {
    t.equal(order({ requestParameters: { userPoolId, username }, additionalEventData: null })?.user, undefined)
  }
  t.equal(order({ requestParameters: { userPoolId, username: 'x' }, additionalEventData: null })?.user, 'x')
  t.end()
})

test('The sub says whose sessions end, whatever the user name is', (t) => {
  const userPoolId = CONFIG.COGNITO_USER_POOL_ID
  const { user } = order({ requestParameters: { userPoolId, username: 'ann' } }) ?? {}
  t.equal(user, EXAMPLE.detail.additionalEventData.sub)
  t.end()
})

test('A group that is left concerns the roles that it grants, but those that are open to all', (t) => {
  const left = (groupName: string | null) => order({
    eventName: 'AdminRemoveUserFromGroup',
    requestParameters: { userPoolId: CONFIG.COGNITO_USER_POOL_ID, groupName }
  })
  t.same(left('ADMIN')?.roles, ['ADMIN'])
  t.same(left('staff')?.roles, ['ADMIN'])
  for (const group of ['everyone', 'ISSUER', 'other', '', null]) t.equal(left(group), undefined)
  t.end()
})

test('An address that is none, such as that of an AWS service, is left out', (t) => {
  for (const sourceIPAddress of ['cognito-idp.amazonaws.com', 'AWS Internal', '', null]) {
    t.equal(order({ sourceIPAddress })?.ip, undefined)
  }
  t.end()
})

test('A time may be five minutes ahead of the clock of the instance', (t) => {
  t.ok(order({ eventTime: '2026-01-31T09:06:00Z' }))
  t.throws(() => order({ eventTime: '2026-01-31T09:06:01Z' }), { code: 'ERR_VALIDATION' })
  t.end()
})

test('The user pools are those of the variable and of the issuers', (t) => {
  t.same(poolIds({
    COGNITO_USER_POOL_ID: 'eu-west-1_A',
    COGNITO_ISSUER: [
      'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A',
      'https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_B',
      'https://issuer.example', 'https://issuer.example/pool'
    ]
  }), ['eu-west-1_A', 'eu-west-2_B'])
  t.end()
})
