import { member } from './layout.js'
import type { Statement } from './statement.js'

export interface ReleaseLease { sid: string, holder: string }

/** Releases a lease if `holder` still has it. */
export const releaseLease: Statement<ReleaseLease, void, never> = {
  text: (layout) => `
    DELETE FROM ${layout.table}
    WHERE sid = $1
      AND ${member(layout, ['lease'])} = $2`,
  values: ({ sid, holder }) => [
    sid, // $1
    holder // $2
  ],
  outcome: () => {}
}
