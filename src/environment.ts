/**
 * Validates the environment by its schema, converts it and fills in the defaults.
 *
 * By Ajv itself, and without checking the schema, which a test does: env-schema, its usual wrapper, compiles the
 * schema of all schemas and one of its own options whenever it is loaded. That was an eighth of the time of a start.
 *
 * @module
 */
import { Ajv, type DefinedError, type FuncKeywordDefinition, type ValidateFunction } from 'ajv'
import { environmentSchema, type Variables } from './variables.js'

/** Splits a text. Of an empty one nothing is left. */
export const separator: FuncKeywordDefinition = {
  keyword: 'separator',
  type: 'string',
  schemaType: 'string',
  modifying: true,
  valid: true,
  errors: false,
  compile: (separator: string) => (text: string, context) => {
    if (context !== undefined) context.parentData[context.parentDataProperty] = text === '' ? [] : text.split(separator)
    return true
  }
}

let validator: ValidateFunction | undefined

/**
 * @param given the variables that are set. Others than those of the schema are left out.
 * @returns The values as the schema has them, unless there are errors.
 */
export function checkEnvironment (given: Record<string, string>): { values: Variables, errors: DefinedError[] } {
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
  const isValid = validator(values)
  return { values: values as Variables, errors: isValid ? [] : validator.errors as DefinedError[] }
}
