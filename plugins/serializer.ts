import { createRequire } from 'node:module'
import type { default as FastJsonStringify, Schema } from 'fast-json-stringify'
import fp from 'fastify-plugin'
import { asSent } from '../src/schemas/as-sent.js'

const require = createRequire(import.meta.url)

/**
 * Serialises answers by the response schemas of the routes. A schema is compiled when it is first needed, because
 * compiling all of them would delay the start, as would loading the compiler.
 */
export default fp(async (fastify) => {
  fastify.setSerializerCompiler<object>(({ schema }) => {
    let serialize: ((value: unknown) => string) | undefined
    return (value) => {
      serialize ??= compile(asSent(schema) as Schema)
      return serialize(value)
    }
  })
}, { name: 'serializer', fastify: '5.x' })

function compile (schema: Schema): (value: unknown) => string {
  const { default: fastJsonStringify } = require('fast-json-stringify') as { default: typeof FastJsonStringify }
  return fastJsonStringify(schema)
}
