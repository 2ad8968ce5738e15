import type { FastifySchema } from 'fastify'
import fp from 'fastify-plugin'

/** A failed validation, as Fastify describes it. */
interface Failure { instancePath: string, message?: string | undefined }

/**
 * Validates as Fastify does by default, whatever the application has set for its own routes: a validator of another
 * kind, other options of Ajv, a serialiser of replies, a format of messages. Only that the schemas are schemas is not
 * checked at each start: test/schemas.test.ts does that.
 *
 * @see {@link https://fastify.dev/docs/latest/Reference/Validation-and-Serialization/#validator-compiler}
 */
export default fp(async (fastify) => {
  // Only an application needs this plugin: a server of its own validates so by the options of src/app.ts.
  const { default: AjvCompiler } = await import('@fastify/ajv-compiler')
  const validator = AjvCompiler()({}, { customOptions: { validateSchema: false }, plugins: [] })
  fastify.setValidatorCompiler<FastifySchema>((route) => validator(route))
  fastify.setSchemaErrorFormatter((failures, part) => new Error(
    failures.map(({ instancePath, message }: Failure) => `${part}${instancePath} ${message}`).join(', ')
  ))
  // Undefined: as the response schemas have it, or as JSON.
  fastify.setReplySerializer(undefined as never)
}, { name: 'schemas', fastify: '5.x' })
