/** What a look at one thing found. */
export interface Finding {
  /** `unknown`: it cannot be told. */
  status: 'ok' | 'warn' | 'fail' | 'unknown'
  /** What was looked at, such as `database` or `client`. */
  name: string
  /** Has no secret. */
  message: string
  /** What to do. */
  advice?: string
}

type Make = (name: string, message: string, advice?: string) => Finding

const make = (status: Finding['status']): Make => (name, message, advice) =>
  ({ status, name, message, ...(advice === undefined ? {} : { advice }) })

export const ok = make('ok')
export const warn = make('warn')
export const fail = make('fail')
export const unknown = make('unknown')
