#!/usr/bin/env bash
# What one would expect: the JSON Schema keyword `required` is about validation. With a response schema, an answer has
# the properties in the order of the schema, or of the object, whether or not they are required.
#
# What happens with fast-json-stringify 7.3.6, and so in Fastify 5: required properties are sent first, in the order of
# `properties`. A document that gains a `required` for a property that was always there changes the bytes of the answer.
# A required property that is missing fails the whole answer, and an optional one is left out.
#
# expected:
# nothing required: {"one":1,"two":2,"three":3}
# three required: {"three":3,"one":1,"two":2}
# two and three required: {"two":2,"three":3,"one":1}
# three required, and missing: throws "three" is required!
# through Fastify: {"three":3,"one":1,"two":2}
# end
. "$(dirname "$0")/lib.sh"
install fast-json-stringify@7.3.6 fastify@5.12.8
run <<'JS'
import Fastify from 'fastify'
import stringify from 'fast-json-stringify'
const number = { type: 'integer' }
const schema = (...required) => ({ type: 'object', required, properties: { one: number, two: number, three: number } })
const value = { one: 1, two: 2, three: 3 }
console.log(`nothing required: ${stringify(schema())(value)}`)
console.log(`three required: ${stringify(schema('three'))(value)}`)
console.log(`two and three required: ${stringify(schema('two', 'three'))(value)}`)
try {
  console.log(stringify(schema('three'))({ one: 1 }))
} catch ({ message }) {
  console.log(`three required, and missing: throws ${message}`)
}
const app = Fastify()
app.get('/', { schema: { response: { 200: schema('three') } } }, async () => value)
console.log(`through Fastify: ${(await app.inject('/')).body}`)
JS
