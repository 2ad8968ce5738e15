import { compare, ofBothBuilds, type Choice } from '../contestants.js'
import type { Bench, Result } from '../measure.js'
import { COOKIE_SERVER, OTHER_MIDDLEWARE, OTHER_SERVER, THIS_SERVER } from '../names.js'
import { PROVIDER_SUB } from '../sample.js'

/** Workload `sign-in`: logins and their callbacks. */
export function signIn (bench: Bench): Promise<Record<string, Result>> {
  const choices: Choice[] = [
    { name: OTHER_SERVER, file: 'express-sign-in' },
    { name: COOKIE_SERVER, file: 'express-openid-connect', store: 'none' },
    { name: OTHER_MIDDLEWARE, file: 'express-openid-connect', store: 'connect-pg-simple' },
    ...ofBothBuilds(bench, { name: THIS_SERVER, file: 'this-server' })
  ]
  return compare(bench, 'sign-in', choices, async ({ table }) => {
    await table?.empty()
    return { kind: 'sign-in', expected: PROVIDER_SUB }
  })
}
