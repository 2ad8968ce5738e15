type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json }

/** The document, with each schema that has a `title` under that name in its components, in place of its copies. */
export function withNamedSchemas<Document extends { components?: { schemas?: object }, paths?: object }> (
  document: Document
): Document {
  const schemas: Record<string, Json> = {}
  const paths = replaced(document.paths as Json, schemas) as Document['paths']
  return {
    ...document,
    components: { ...document.components, schemas: { ...document.components?.schemas, ...sorted(schemas) } },
    paths
  }
}

function replaced (value: Json, schemas: Record<string, Json>): Json {
  if (Array.isArray(value)) return value.map((item) => replaced(item, schemas))
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([key, child]) => [key, replaced(child, schemas)]))
  const { title, type } = copy
  if (typeof title !== 'string' || typeof type !== 'string') return copy
  const known = schemas[title] ??= copy
  if (JSON.stringify(known) !== JSON.stringify(copy)) throw new Error(`Two schemas have the title ${title}`)
  return { $ref: `#/components/schemas/${title}` }
}

const sorted = (schemas: Record<string, Json>): Record<string, Json> =>
  Object.fromEntries(Object.entries(schemas).sort(([one], [other]) => one < other ? -1 : 1))
