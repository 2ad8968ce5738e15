/** What decides about roles: all there are, and those that need no group. */
export interface RolePolicy { ROLES: readonly string[], OPEN_ROLES: readonly string[] }

/** The roles of a user who is in `groups` (the ID token's `cognito:groups`), in the order of `ROLES`. */
export function grantedRoles (groups: readonly string[], { ROLES, OPEN_ROLES }: RolePolicy): string[] {
  return ROLES.filter((role) => OPEN_ROLES.includes(role) || groups.includes(role))
}
