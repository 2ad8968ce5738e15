import { fromNow, hasExpireType } from './expressions.js'
import { member } from './layout.js'
import type { Statement } from './statement.js'

export interface FailLease {
  sid: string
  holder: string
  /** The error code that callers get until the lease expires. */
  code: string
  durationMs: number
}

/** Keeps a lease for some time as failed, if `holder` still has it. */
export const failLease: Statement<FailLease, void, never> = {
  text: (layout) => `
    UPDATE ${layout.table}
    SET sess = json_build_object('lease', $2::text, 'failed', $3::text)::${layout.sess},
      expire = ${fromNow(layout, '$4')}
    WHERE sid = $1
      AND ${member(layout, ['lease'])} = $2
      AND ${hasExpireType(layout, 'expire')}`,
  values: ({ sid, holder, code, durationMs }) => [
    sid, // $1
    holder, // $2
    code, // $3
    durationMs // $4
  ],
  outcome: () => {}
}
