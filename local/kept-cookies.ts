/** The attributes with which a cookie is cleared. The value before them is random, and can look like one. */
const CLEARS = /;\s*(max-age=0|expires=Thu, 01 Jan 1970 [^;]*)\s*(;|$)/i

/** The `Cookie` header after an answer with these `Set-Cookie` headers, none of which concerns a cookie of another. */
export const keptCookies = (setCookie: readonly string[]): string =>
  setCookie.filter((line) => !CLEARS.test(line)).map((line) => line.split(';', 1)[0]).join('; ')
