import { cachingSignatures, compare, ofBothBuilds, seed, type Choice, type Contestant } from '../contestants.js'
import type { Plan } from '../load/users.js'
import type { Bench, Result } from '../measure.js'
import { FASTIFY_REDIS, THIS_SERVER } from '../names.js'
import { bodyOf } from '../sample.js'

/** Workload `me`: `GET /api/auth/me`. This server renews the cookie only when it moves the expiry of the row. */
export function me (bench: Bench): Promise<Record<string, Result>> {
  const onRedis: Choice = { name: FASTIFY_REDIS, file: 'me-on-redis', store: 'connect-redis' }
  const choices = [
    onRedis,
    cachingSignatures(onRedis),
    ...ofBothBuilds(bench, { name: THIS_SERVER, file: 'this-server' })
  ]
  return compare(bench, 'me', choices, (contestant, { file }) =>
    planForMe(bench, contestant, file === onRedis.file))
}

/** @param setsCookie whether every answer renews the cookie. */
export async function planForMe (bench: Bench, contestant: Contestant, setsCookie: boolean): Promise<Plan> {
  const cookies = await seed(contestant, bench.options.sessions)
  const expected = cookies.map((_, n) => `"sub":"${bodyOf(n).sub}"`)
  return { kind: 'get', path: '/api/auth/me', cookies, expected, setsCookie }
}
