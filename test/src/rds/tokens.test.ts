import { test, type Test } from 'tap'
import { regionOf } from '../../../src/rds/region.js'
import { RdsTokens, rdsTokens } from '../../../src/rds/tokens.js'

const HOST = 'auth.abcdefghijkl.eu-west-1.rds.amazonaws.com'
const SERVER = { host: HOST, port: 5432, user: 'app' }
const MINUTE_MS = 60_000

/** Moves the process's monotonic clock until the end of the test. */
function clock (t: Test): (ms: number) => void {
  const now = performance.now.bind(performance)
  let passedMs = 0
  Object.defineProperty(performance, 'now', { configurable: true, value: () => now() + passedMs })
  t.teardown(() => { Reflect.deleteProperty(performance, 'now') })
  return (ms) => { passedMs += ms }
}

test('A token is used for ten minutes by all connections to a server', async (t) => {
  const pass = clock(t)
  let signed = 0
  const tokens = new RdsTokens(async ({ host, user }, region) => `${host} ${user} ${region} ${++signed}`)
  t.same(await Promise.all([tokens.of(SERVER), tokens.of({ ...SERVER })]), Array(2).fill(`${HOST} app eu-west-1 1`))
  pass(9.9 * MINUTE_MS)
  t.match(await tokens.of(SERVER), / 1$/)
  pass(0.2 * MINUTE_MS)
  t.match(await tokens.of(SERVER), / 2$/)
  t.match(await tokens.of({ ...SERVER, user: 'other' }), / other eu-west-1 3$/)
  t.match(await tokens.of({ ...SERVER, port: 5433 }), / 4$/)
  tokens.forget()
  t.match(await tokens.of(SERVER), / 5$/)
})

test('A signer that fails is asked again, and its error is one short line', async (t) => {
  let calls = 0
  const tokens = new RdsTokens(async () => {
    if (++calls === 1) throw Object.assign(new Error(`no\ncredentials ${'x'.repeat(500)}`), { name: 'ProviderError' })
    return 'token'
  })
  const error = await tokens.of(SERVER).catch((error: unknown) => error) as Error
  t.match(error.message, /^rds-iam: no token: ProviderError: no credentials x+$/)
  t.ok(error.message.length < 260)
  t.equal(await tokens.of(SERVER), 'token')
})

test('A signer that does not answer is waited for briefly, and its late token is used', async (t) => {
  const pass = clock(t)
  // The limit's own timer does not keep the process.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => { clearInterval(alive) })
  let calls = 0
  let answer: (token: string) => void = () => {}
  const tokens = new RdsTokens(() => {
    calls++
    return new Promise((resolve) => { answer = resolve })
  })
  const began = Date.now()
  await t.rejects(tokens.of(SERVER), { message: 'rds-iam: no AWS credentials within 1500 ms' })
  t.ok(Date.now() - began < 1900)
  const waiting = tokens.of(SERVER)
  answer('late')
  t.equal(await waiting, 'late')
  t.equal(calls, 1)
  tokens.forget()
  const first = t.rejects(tokens.of(SERVER), /no AWS credentials/)
  pass(31_000)
  const second = t.rejects(tokens.of(SERVER), /no AWS credentials/)
  t.equal(calls, 3, 'after half a minute it is given up')
  await Promise.all([first, second])
})

test('The region is that of the endpoint, and otherwise of AWS_REGION', (t) => {
  const before = process.env.AWS_REGION
  t.teardown(() => {
    if (before === undefined) delete process.env.AWS_REGION
    else process.env.AWS_REGION = before
  })
  process.env.AWS_REGION = 'us-west-2'
  for (const [host, region] of Object.entries({
    [HOST]: 'eu-west-1',
    'auth.cluster-ro-abcdefghijkl.us-gov-east-1.rds.amazonaws.com': 'us-gov-east-1',
    'AUTH.proxy-abcdefghijkl.AP-SOUTHEAST-1.RDS.AMAZONAWS.COM': 'ap-southeast-1',
    'auth.abcdefghijkl.cn-north-1.rds.amazonaws.com.cn': 'cn-north-1',
    'database.example.com': 'us-west-2',
    'eu-west-1.rds.amazonaws.com.example.com': 'us-west-2'
  })) t.equal(regionOf(host), region, host)
  process.env.AWS_REGION = ''
  t.equal(regionOf('database.example.com'), undefined)
  t.end()
})

test('The SDK signs', async (t) => {
  const before = process.env
  process.env = { ...before, AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' }
  t.teardown(() => { process.env = before })
  const token = await (await rdsTokens()).of(SERVER)
  t.ok(token.startsWith(`${HOST}:5432/?Action=connect&DBUser=app&`))
  t.match(token, /&X-Amz-Expires=900&/)
})
