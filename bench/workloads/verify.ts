import { compare, ofBothBuilds, type Choice, type Contestant } from '../contestants.js'
import { Connection, get } from '../load/connection.js'
import { cookiesOf, signInOnce, type Plan } from '../load/users.js'
import type { Bench, Result } from '../measure.js'
import { ME_OF_THIS_SERVER, OTHER_MIDDLEWARE, THIS_SERVER } from '../names.js'
import { bodyOf, PROVIDER_SUB } from '../sample.js'
import { planForMe } from './me.js'

/**
 * Workload `verify`: the question that a proxy asks for each request, beside `GET /api/auth/me`, of both builds,
 * and a guarded route of express-openid-connect, which writes to its store at each request.
 */
export async function verify (bench: Bench): Promise<Record<string, Result>> {
  const choices: Choice[] = [
    { name: OTHER_MIDDLEWARE, file: 'express-openid-connect', store: 'connect-pg-simple' },
    { name: THIS_SERVER, file: 'this-server' },
    ...ofBothBuilds(bench, { name: ME_OF_THIS_SERVER, file: 'this-server' })
  ]
  return await compare(bench, 'verify', choices, async (contestant, { name, file }) => {
    if (file === 'express-openid-connect') return await planForGuardedRoute(contestant, bench.options.sessions)
    const plan = await planForMe(bench, contestant, false)
    if (name !== THIS_SERVER || plan.kind !== 'get') return plan
    return { ...plan, path: '/api/auth/verify', expected: plan.cookies.map((_, n) => `x-auth-user: ${bodyOf(n).sub}`) }
  })
}

/** Its sessions come from real sign-ins, because only the library knows what it stores. */
async function planForGuardedRoute ({ server, table }: Contestant, count: number): Promise<Plan> {
  await table?.empty()
  const connection = new Connection(server.port)
  try {
    const cookies: string[] = []
    while (cookies.length < count) cookies.push(cookiesOf((await signInOnce(connection)).head))
    const answer = await connection.send(get('/guarded', cookies[0]))
    if (answer.status !== 200) throw new Error(`the guarded route answers ${answer.status} ${answer.body}`)
    return { kind: 'get', path: '/guarded', cookies, expected: cookies.map(() => PROVIDER_SUB), setsCookie: true }
  } finally {
    connection.close()
  }
}
