/** Valid cookies among which the live one is searched. Only an attacker sends more. */
const MAX_COOKIES = 5

/**
 * Chooses the cookie that names a live session, among several session cookies. A page of a sibling subdomain can
 * plant cookies: forged ones are ignored, and between two live ones the browser's own cannot be told.
 *
 * @param idOf the id that a cookie holds; null when its signature is not valid.
 * @returns the ids of the valid cookies, and the chosen cookie; undefined when none or several are live.
 */
export async function chooseCookie (
  cookies: readonly string[], idOf: (cookie: string) => string | null, isLive: (id: string) => Promise<boolean>
): Promise<{ ids: string[], chosen: string | undefined }> {
  const valid = new Map(cookies.flatMap((cookie): [string, string][] => {
    const id = idOf(cookie)
    return id === null ? [] : [[id, cookie]]
  }))
  const ids = [...valid.keys()].slice(0, MAX_COOKIES)
  // A single one need not be looked up: the session is loaded by it.
  const live = ids.length < 2 ? ids.map(() => true) : await Promise.all(ids.map(isLive))
  const [only, ...others] = ids.filter((_id, index) => live[index])
  return { ids, chosen: only === undefined || others.length > 0 ? undefined : valid.get(only) }
}
