/** Above this many edits, two names have nothing to do with each other. */
const MAX_EDITS = 3

/** The name that a misspelt one most likely stands for; undefined when none is near. Case does not count. */
export function nearest (misspelt: string, names: readonly string[]): string | undefined {
  const wanted = misspelt.toLowerCase()
  const limit = Math.min(MAX_EDITS, Math.floor(misspelt.length / 2))
  let found: { name: string, count: number } | undefined
  for (const name of names) {
    const count = edits(wanted, name.toLowerCase())
    if (count <= limit && count < (found?.count ?? Infinity)) found = { name, count }
  }
  return found?.name
}

/** The Levenshtein distance. */
function edits (one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [i, left] of [...one].entries()) {
    const next = [i + 1]
    for (const [j, right] of [...other].entries()) {
      const replaced = (row[j] ?? 0) + (left === right ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
