import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance } from 'fastify'
import { t as file } from 'tap'

interface Described { description: string, type?: string, content?: Record<string, { schema: object }> }

/** Not a part of JSON Schema, but of its use in an OpenAPI document. */
const ajv = new Ajv2020({ strict: false, validateFormats: false })

/**
 * Fails the test file when a route answers with a status, an error code or a body that its response schema does not
 * have. Routes without a response schema, such as those of a test, may answer anything.
 */
export function expectDocumented (fastify: FastifyInstance): void {
  fastify.addHook('onSend', async (request, reply, payload) => {
    const { method, url, schema } = request.routeOptions
    const responses = schema?.response as Record<number, Described> | undefined
    // A client that has gone gets no answer.
    if (responses === undefined || request.method === 'HEAD' || request.raw.readableAborted) return
    const problem = problemOf(responses[reply.statusCode], reply.getHeader('content-type'), payload)
    if (problem !== undefined) {
      file.fail(`${String(method)} ${url} ${reply.statusCode} is not documented: ${problem}`, { payload })
    }
  })
}

function problemOf (response: Described | undefined, contentType: unknown, payload: unknown): string | undefined {
  if (response === undefined) return 'no such status'
  if (typeof payload !== 'string' || payload === '') {
    return response.type === 'null' ? undefined : 'there is no content'
  }
  const mediaType = String(contentType).split(';')[0] ?? ''
  const schema = response.content === undefined && mediaType === 'application/json'
    ? response
    : response.content?.[mediaType]?.schema
  if (schema === undefined) return `no content of the type ${mediaType}`
  const body = mediaType === 'application/json' ? JSON.parse(payload) as unknown : payload
  return ajv.validate(schema, body) ? undefined : ajv.errorsText()
}
