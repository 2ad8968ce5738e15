interface JsonSchema {
  properties?: Record<string, JsonSchema>
  items?: JsonSchema
  additionalProperties?: unknown
  required?: readonly string[]
}

/**
 * The schema by which an answer is serialised, from the one that describes it.
 *
 * An object that may hold more than its schema says is sent as it is: its properties keep their order and their types.
 * An answer that lacks a required property is sent without it, in place of a 500.
 */
export function asSent ({ required: _required, ...schema }: JsonSchema): object {
  if (schema.additionalProperties === true) return {}
  const { properties, items } = schema
  return {
    ...schema,
    ...(properties === undefined ? {} : { properties: mapValues(properties, asSent) }),
    ...(items === undefined ? {} : { items: asSent(items) })
  }
}

const mapValues = <Value> (of: Record<string, Value>, change: (value: Value) => unknown): Record<string, unknown> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, change(value)]))
