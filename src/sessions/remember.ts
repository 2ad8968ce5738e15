/** A pure function that remembers some of its last results. */
export interface Remembering<Out> {
  (text: string): Out
  /** Remembers a result that is known from elsewhere. */
  put (text: string, out: Out): void
}

/**
 * Makes a pure function remember some of its last results.
 *
 * Two generations: when the younger is full it becomes the older, and the older is forgotten. What is used
 * moves to the younger, so what is used often stays.
 *
 * @param max results in one generation.
 * @param worthwhile which results are remembered: a stranger's must not push out the others.
 */
export function remember<Out> (compute: (text: string) => Out, max: number, worthwhile: (out: Out) => boolean = () => true): Remembering<Out> {
  let younger = new Map<string, Out>()
  let older = younger
  const put = (text: string, out: Out) => {
    if (younger.size >= max) [older, younger] = [younger, new Map<string, Out>()]
    younger.set(text, out)
  }
  const recall = (text: string) => {
    const known = younger.get(text)
    if (known !== undefined) return known
    const own = copied(text)
    if (own !== text) return compute(text)
    const out = older.get(own) ?? compute(own)
    if (worthwhile(out)) put(own, out)
    return out
  }
  return Object.assign(recall, { put })
}

/** A part of a text, such as of a header, would keep the whole of it in memory. Another text where it is not well-formed. */
const copied = (text: string): string => Buffer.from(text).toString()
