/**
 * The parameters of a query that have a value: one without is treated as if it were omitted (RFC 6749 §3.1). A
 * parameter that is given several times keeps its values, to be refused.
 */
export function withoutEmpty (query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''))
}
