import fc from 'fast-check'

/** The number of cases per property. The gate runs 100,000. */
const RUNS = Number(process.env.PROPERTY_RUNS ?? 300)

/**
 * Checks a property with `PROPERTY_RUNS` cases. A failure reports the smallest failing case with its seed and path;
 * `PROPERTY_SEED` and `PROPERTY_PATH` run that case again, alone.
 *
 * @param casesInOne the number of cases in one run of fast-check.
 */
export async function holds<Ts> (
  property: fc.IRawProperty<Ts>,
  { casesInOne = 1 }: { casesInOne?: number } = {}
): Promise<void> {
  const { PROPERTY_SEED: seed, PROPERTY_PATH: path } = process.env
  await fc.assert(property, {
    numRuns: Math.max(1, Math.ceil(RUNS / casesInOne)),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path })
  })
}

/** Any JavaScript string, including NUL and lone surrogates. */
export const anyString = (maxLength = 40): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength }),
    fc.string({ maxLength }),
    fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength })
      .map((units) => String.fromCharCode(...units))
  )

/** Changes that an attacker may try: letters replaced, dropped, added or in another case, text cut off or repeated. */
export const alteration: fc.Arbitrary<(text: string) => string> = fc.array(fc.record({
  kind: fc.constantFrom('replace', 'drop', 'add', 'case', 'cut', 'twice', 'swap'),
  at: fc.nat(200),
  letter: fc.oneof(
    fc.constantFrom('.', '=', ':', 's', '%', '%2E', '\0', ' ', '+', '/', '-', '_', 'A', 'é'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })
  )
}), { minLength: 1, maxLength: 3 }).map((steps) => Object.assign(
  (text: string) => steps.reduce(alter, text), { [fc.toStringMethod]: () => JSON.stringify(steps) }
))

function alter (text: string, { kind, at, letter }: { kind: string, at: number, letter: string }): string {
  const index = text.length === 0 ? 0 : at % text.length
  const [before, own, after] = [text.slice(0, index), text.charAt(index), text.slice(index + 1)]
  switch (kind) {
    case 'replace': return before + letter + after
    case 'drop': return before + after
    case 'add': return before + letter + own + after
    case 'case': return before + (own === own.toLowerCase() ? own.toUpperCase() : own.toLowerCase()) + after
    case 'cut': return before
    case 'twice': return text + text.slice(index)
    default: return own + after + before
  }
}
