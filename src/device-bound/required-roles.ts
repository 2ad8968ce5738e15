/** The roles of `DEVICE_BOUND_SESSIONS=required:ROLE,…`; none in its other forms. */
export function requiredRoles (variable: string): string[] {
  const [, roles] = /^required:(.+)$/.exec(variable) ?? []
  return roles === undefined ? [] : roles.split(',')
}
