#!/usr/bin/env bash
# What one would expect: Ajv compiles the schema that it is given. `new Ajv()` and the import of a wrapper such as
# env-schema compile nothing.
#
# What happens: the first schema of each instance makes Ajv compile the JSON Schema of JSON Schemas as well, to check
# it: three functions, with those for its references. A keyword with a `metaSchema` counts as a schema, so an instance
# with such a keyword compiles four functions when it is made. env-schema has one, and checks its options by a schema:
# its import compiles five, some 35 ms before the first line of a program runs. `validateSchema: false` leaves the check
# out, for schemas that tests check.
#
# expected:
# new Ajv: 0
# its first schema: 4
# its second schema: 1
# new Ajv with a keyword that has a metaSchema: 4
# new Ajv with validateSchema false: 0
# its first schema: 1
# importing env-schema: 5
# end
. "$(dirname "$0")/lib.sh"
install ajv@8.20.0 env-schema@8.0.0
run <<'JS'
// Ajv makes each validator by `new Function`.
let made = 0
globalThis.Function = new Proxy(Function, {
  construct (target, args) {
    made++
    return Reflect.construct(target, args)
  }
})
const { Ajv } = await import('ajv')
const count = async (what, act) => {
  made = 0
  const result = await act()
  console.log(`${what}: ${made}`)
  return result
}
const schema = (name) => ({ type: 'object', properties: { [name]: { type: 'string' } } })
const plain = await count('new Ajv', () => new Ajv())
await count('its first schema', () => plain.compile(schema('a')))
await count('its second schema', () => plain.compile(schema('b')))
const keyword = { keyword: 'separator', type: 'string', metaSchema: { type: 'string' }, validate: () => true }
await count('new Ajv with a keyword that has a metaSchema', () => new Ajv({ keywords: [keyword] }))
const trusting = await count('new Ajv with validateSchema false', () => new Ajv({ validateSchema: false }))
await count('its first schema', () => trusting.compile(schema('a')))
await count('importing env-schema', () => import('env-schema'))
JS
