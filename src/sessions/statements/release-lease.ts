import type { Statement } from './statement.js'

export interface ReleaseLease { sid: string, holder: string }

/** Releases a lease if `holder` still has it. */
export const releaseLease = (table: string): Statement<ReleaseLease, void, never> => ({
  text: `
    DELETE FROM ${table}
    WHERE sid = $1
      AND sess ->> 'lease' = $2`,
  values: ({ sid, holder }) => [
    sid, // $1
    holder // $2
  ],
  outcome: () => {}
})
