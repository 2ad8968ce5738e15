/**
 * A pure function that remembers some of its last results.
 *
 * Two generations: when the younger is full it becomes the older, and the older is forgotten. What is used
 * moves to the younger, so what is used often stays.
 *
 * @param max results in one generation.
 * @param worthwhile which results are remembered: a stranger's must not push out the others.
 */
export function remember<Out> (compute: (text: string) => Out, max: number, worthwhile: (out: Out) => boolean = () => true): (text: string) => Out {
  let younger = new Map<string, Out>()
  let older = younger
  return (text) => {
    const known = younger.get(text)
    if (known !== undefined) return known
    const out = older.get(text) ?? compute(text)
    if (worthwhile(out)) {
      if (younger.size >= max) [older, younger] = [younger, new Map<string, Out>()]
      younger.set(text, out)
    }
    return out
  }
}
