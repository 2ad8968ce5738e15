/**
 * What people read in place of a role's name.
 *
 * @param labels `ROLE_LABELS`.
 * @returns its label, or else its name in words: `Fund manager` for `FUND_MANAGER`.
 */
export function roleLabel (role: string, labels: readonly string[]): string {
  return givenLabel(role, labels) ?? inWords(role)
}

/** The label that `ROLE_LABELS` has for a role. */
export function givenLabel (role: string, labels: readonly string[]): string | undefined {
  const prefix = `${role}=`
  return labels.find((label) => label.startsWith(prefix))?.slice(prefix.length)
}

function inWords (role: string): string {
  if (!/^[\w-]*[A-Za-z0-9][\w-]*$/.test(role)) return role
  const words = role.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll(/[_-]+/g, ' ').trim().toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
