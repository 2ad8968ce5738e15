/** A pure function of a text that keeps some of its latest results. */
export interface Memoized<Out> {
  (text: string): Out
  /** Adds a result that is known from elsewhere. */
  put (text: string, out: Out): void
}

/**
 * Memoizes a pure function of a text.
 *
 * It keeps two generations of results. When the younger one is full, it becomes the older one, and
 * the former older one is dropped. A result moves to the younger one when it is used.
 *
 * @param max results in one generation.
 * @param isKept whether to keep a result: those of forged input must not evict real ones.
 */
export function memoize<Out> (
  compute: (text: string) => Out, max: number, isKept: (out: Out) => boolean = () => true
): Memoized<Out> {
  let younger = new Map<string, Out>()
  let older = younger

  const put = (text: string, out: Out) => {
    if (younger.size >= max) {
      older = younger
      younger = new Map()
    }
    younger.set(text, out)
  }

  const memoized = (text: string) => {
    const known = younger.get(text)
    if (known !== undefined) return known
    const copy = copyOf(text)
    if (copy !== text) return compute(text)
    const out = older.get(copy) ?? compute(copy)
    if (isKept(out)) put(copy, out)
    return out
  }

  return Object.assign(memoized, { put })
}

/**
 * The same text in memory of its own: a slice, as of a header, keeps the whole header in memory.
 * Text that is not well-formed becomes a different text.
 */
const copyOf = (text: string): string => Buffer.from(text).toString()
