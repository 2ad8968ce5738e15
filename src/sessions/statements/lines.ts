/**
 * JSON texts as one parameter, a line each. This is shorter than an array, whose quoting doubles
 * the quotes of JSON. JSON has no raw line break.
 *
 * @module
 */

/** The parameter. */
export const joinLines = (texts: readonly string[]): string => texts.join('\n')

/** The SQL that splits the parameter. */
export const splitLines = (parameter: string): string => `string_to_array(${parameter}::text, E'\\n')`
