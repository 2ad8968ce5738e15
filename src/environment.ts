/**
 * Validates the environment by its schema, converts it and fills in the defaults.
 *
 * By Ajv itself, and without checking the schema, which test/schemas.test.ts does: env-schema, its usual wrapper,
 * compiles the schema of all schemas and two of its own whenever it is loaded, which takes some 35 ms.
 *
 * @module
 */
import { Ajv, type DefinedError, type FuncKeywordDefinition, type ValidateFunction } from 'ajv'
import { environmentSchema, type Variables } from './variables.js'

/** Splits a text at this text. Of an empty one nothing is left. */
export const separator: FuncKeywordDefinition = {
  keyword: 'separator',
  type: 'string',
  schemaType: 'string',
  modifying: true,
  valid: true,
  errors: false,
  compile: (at: string) => (text: string, context) => {
    // Ajv always gives a keyword that modifies its context, which the type does not say.
    if (context === undefined) throw new Error('separator: Ajv gave no context')
    context.parentData[context.parentDataProperty] = text === '' ? [] : text.split(at)
    return true
  }
}

let validator: ValidateFunction | undefined

/** What is wrong with the variables that are set. */
export const environmentErrors = (given: Record<string, string>): DefinedError[] => examine(given).errors

/**
 * The values of the variables that are set, as the schema has them. Others than those of the schema are left out.
 *
 * @throws {Error} if one is missing or malformed.
 */
export function environmentOf (given: Record<string, string>): Variables {
  const { values, errors: [error] } = examine(given)
  if (error !== undefined) throw new Error(`${error.instancePath} ${error.message ?? 'is malformed'}`)
  return values as Variables
}

function examine (given: Record<string, string>): { values: unknown, errors: DefinedError[] } {
  validator ??= new Ajv({
    allErrors: true,
    removeAdditional: true,
    useDefaults: true,
    coerceTypes: true,
    validateSchema: false,
    code: { optimize: false }, // optimizing takes longer than the few runs
    keywords: [separator]
  }).compile(environmentSchema)
  const values: unknown = { ...given }
  return { values, errors: validator(values) ? [] : validator.errors as DefinedError[] }
}
