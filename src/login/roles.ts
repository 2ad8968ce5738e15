/** All roles, those of them that need no group, and pairs `group=ROLE`. */
export interface RolePolicy {
  ROLES: readonly string[]
  OPEN_ROLES: readonly string[]
  ROLE_MAP?: readonly string[]
}

/**
 * The roles of a user, in the order of `ROLES`. A role is granted by the group of the same name, and by those that
 * `ROLE_MAP` has for it.
 *
 * @param groups the groups in the ID token.
 */
export function grantedRoles (
  groups: readonly string[], { ROLES, OPEN_ROLES, ROLE_MAP = [] }: RolePolicy
): string[] {
  const granted = new Set([...OPEN_ROLES, ...groups])
  for (const pair of ROLE_MAP) {
    const end = pair.lastIndexOf('=')
    if (groups.includes(pair.slice(0, end))) granted.add(pair.slice(end + 1))
  }
  return ROLES.filter((role) => granted.has(role))
}
