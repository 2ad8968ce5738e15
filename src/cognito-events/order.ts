import { isIP } from 'node:net'
import { ERR_VALIDATION } from '../errors.js'
import { grantedRoles, type RolePolicy } from '../login/roles.js'
import type { Config } from '../variables.js'
import { poolIds } from './pools.js'
import type { CloudTrailBody } from './schema.js'

/** The operations after which a user's sessions end. */
const ENDING = ['AdminDisableUser', 'AdminDeleteUser', 'DeleteUser', 'AdminUserGlobalSignOut', 'GlobalSignOut']
/** Those of them that a user calls with an access token, so that no user pool is named. */
const BY_TOKEN = ['DeleteUser', 'GlobalSignOut']
const LEAVING = 'AdminRemoveUserFromGroup'

/** The operations that mean something here. */
export const OPERATIONS: readonly string[] = [...ENDING, LEAVING]

/** What CloudTrail has in place of a user name that it does not show. */
const HIDDEN = /^HIDDEN_(DUE_TO|FOR)_SECURITY_REASONS$/

/** How far ahead of this instance's clock an event may be, in milliseconds. */
const MAX_AHEAD_MS = 300_000

/** What an event orders: the sessions of a user end that had started by then. */
export interface Order {
  /** The operation. */
  operation: string
  /** In milliseconds since 1970, on AWS' clock. */
  atMs: number
  /** Undefined: the event does not say whose sessions. */
  user: string | undefined
  /** Only sessions with one of these roles. Undefined: all. */
  roles: string[] | undefined
  /** Who called Cognito. */
  ip: string | undefined
}

/**
 * What an event means here; undefined if it does not concern this server: another kind of event, another user pool, a
 * call that failed, a group that grants no role.
 *
 * @throws {ERR_VALIDATION} for a time that is none, or is to come: the same event could end newer sessions later.
 */
export function orderOf (
  { source, 'detail-type': type, detail }: CloudTrailBody,
  config: Pick<Config, 'COGNITO_USER_POOL_ID' | 'COGNITO_ISSUER' | 'OPEN_ROLES' | 'ROLE_MAP' | 'ROLES'>,
  nowMs = Date.now()
): Order | undefined {
  const { eventName: operation, eventTime, errorCode, sourceIPAddress } = detail
  const { requestParameters: asked, additionalEventData: further } = detail
  if (source !== 'aws.cognito-idp' || type !== 'AWS API Call via CloudTrail') return undefined
  if (!OPERATIONS.includes(operation)) return undefined
  if (isGiven(errorCode)) return undefined
  const pool = [asked?.userPoolId, further?.userPoolId].find(isGiven)
  const isOurs = pool === undefined ? BY_TOKEN.includes(operation) : poolIds(config).includes(pool)
  if (!isOurs) return undefined
  const roles = operation === LEAVING ? rolesOf(asked?.groupName, config) : undefined
  if (roles?.length === 0) return undefined
  const atMs = Date.parse(eventTime)
  if (Number.isNaN(atMs)) throw new ERR_VALIDATION('body/detail/eventTime is no time')
  if (atMs > nowMs + MAX_AHEAD_MS) throw new ERR_VALIDATION('body/detail/eventTime is to come')
  return {
    operation,
    atMs,
    user: [further?.sub, asked?.username].find((name) => isGiven(name) && !HIDDEN.test(name)) ?? undefined,
    roles,
    ip: isIP(sourceIPAddress ?? '') === 0 ? undefined : sourceIPAddress ?? undefined
  }
}

/** The roles that a group grants, and that not everyone has. */
function rolesOf (group: string | null | undefined, policy: RolePolicy): string[] {
  return isGiven(group) ? grantedRoles([group], policy).filter((role) => !policy.OPEN_ROLES.includes(role)) : []
}

const isGiven = (text: string | null | undefined): text is string => text !== undefined && text !== null && text !== ''
