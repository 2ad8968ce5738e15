import { build, type Schema } from 'fast-json-stringify'
import fp from 'fastify-plugin'
import { asSent } from '../src/schemas/as-sent.js'

/**
 * Serialises answers by the response schemas of the routes. A schema is compiled when it is first needed, because
 * compiling all of them would delay the start.
 */
export default fp(async (fastify) => {
  fastify.setSerializerCompiler<object>(({ schema }) => {
    let serialize: ((value: unknown) => string) | undefined
    return (value) => {
      serialize ??= build(asSent(schema) as Schema)
      return serialize(value)
    }
  })
}, { name: 'serializer', fastify: '5.x' })
