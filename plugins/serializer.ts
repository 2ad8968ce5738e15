import { createRequire } from 'node:module'
import type { default as FastJsonStringify, Schema } from 'fast-json-stringify'
import fp from 'fastify-plugin'
import { asSent } from '../src/schemas/as-sent.js'

const require = createRequire(import.meta.url)

/**
 * Serialises answers by the response schemas of the routes. A schema is compiled when it is first needed, because
 * compiling all of them would delay the start.
 */
export default fp(async (fastify) => {
  // Loading the compiler takes some 25 ms, for which the first requests and the first probe would have to wait.
  fastify.addHook('onReady', async () => { load() })
  fastify.setSerializerCompiler<object>(({ schema }) => {
    let serialize: ((value: unknown) => string) | undefined
    return (value) => {
      serialize ??= compile(asSent(schema) as Schema)
      return serialize(value)
    }
  })
}, { name: 'serializer', fastify: '5.x' })

function load (): typeof FastJsonStringify {
  return (require('fast-json-stringify') as { default: typeof FastJsonStringify }).default
}

function compile (schema: Schema): (value: unknown) => string {
  return load()(schema)
}
