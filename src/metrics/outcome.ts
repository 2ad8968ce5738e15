import * as errors from '../errors.js'

const CODES = new Set(Object.keys(errors).filter((name) => name.startsWith('ERR_')))

/** A code as the value of a label: those of this server, so that applications cannot add more. */
export const reasonOf = (code: string): string => CODES.has(code) ? code : 'other'

/** `ok`, or the code of an error of this server. */
export const outcomeOf = (error: Error | undefined): string =>
  error === undefined ? 'ok' : reasonOf(errors.codeOf(error))
