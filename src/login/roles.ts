/** All roles, and those of them that need no group. */
export interface RolePolicy { ROLES: readonly string[], OPEN_ROLES: readonly string[] }

/**
 * The roles of a user, in the order of `ROLES`.
 *
 * @param groups the ID token's `cognito:groups`.
 */
export function grantedRoles (groups: readonly string[], { ROLES, OPEN_ROLES }: RolePolicy): string[] {
  return ROLES.filter((role) => OPEN_ROLES.includes(role) || groups.includes(role))
}
