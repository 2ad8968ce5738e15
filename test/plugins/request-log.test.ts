import Fastify, { LogController, type FastifyBaseLogger } from 'fastify'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import requestLog from '../../plugins/request-log.js'

type Log = (write: (line: string) => void) => FastifyBaseLogger

const pinoAt = (level: string): Log => (write) => pino({ level }, { write })

async function build (t: Test, log = pinoAt('trace')) {
  const lines: string[] = []
  const fastify = Fastify({
    loggerInstance: log((line) => { lines.push(line) }),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => 'request-1'
  })
  t.teardown(() => fastify.close())
  await fastify.register(requestLog)
  fastify.get('/api/auth/callback', async () => 'x')
  fastify.get('/users/:id', async () => 'x')
  fastify.get('/error', async (_request, reply) => reply.code(503).send({}))
  fastify.get('/health/live', async () => 'x')
  fastify.get('/health/ready', async (_request, reply) => reply.code(503).send({}))
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { fastify, lines, requests: () => parsed().filter(({ msg }) => msg === 'Request') }
}

test('each request is logged as one line', async (t) => {
  const { fastify, requests } = await build(t)

  await fastify.inject({ url: '/api/auth/callback', remoteAddress: '192.0.2.7' })

  const [line, ...more] = requests()
  t.match(line, {
    level: 30,
    reqId: 'request-1',
    method: 'GET',
    route: '/api/auth/callback',
    statusCode: 200,
    ip: '192.0.2.7',
    msg: 'Request'
  })
  t.type(line?.durationMs, 'number')
  t.ok(Number.isInteger(line?.durationMs) && Number(line?.durationMs) >= 0)
  t.same(more, [])
})

test('A logger whose isLevelEnabled is no function logs every request, at its level', async (t) => {
  const lines: [level: string, line: object][] = []
  const at = (level: string) => (line: object) => { lines.push([level, line]) }
  const names = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
  const { fastify } = await build(t, () => ({
    ...Object.fromEntries(names.map((name) => [name, at(name)])), level: 'info', isLevelEnabled: undefined,
    child () { return this }
  }) as unknown as FastifyBaseLogger)

  await fastify.inject('/health/live')

  t.match(lines, [['debug', { route: '/health/live' }]])
})

const urls = [
  '/api/auth/callback?code=hidden-code&state=hidden-state', '/api/auth/callback?hidden', '/users/hidden',
  '/hidden/nowhere?code=hidden', '/%68idden?x=hidden', '/error?hidden=1'
]

for (const url of urls) {
  test(`the line of GET ${url} contains only its route`, async (t) => {
    const { fastify, lines, requests } = await build(t)

    await fastify.inject({
      url,
      headers: {
        'cookie': 'sid=hidden',
        'authorization': 'Bearer hidden',
        'referer': 'https://example.com/?hidden',
        'user-agent': 'hidden',
        'host': 'hidden'
      }
    })

    t.equal(requests().length, 1)
    t.notMatch(lines.join(''), /hidden/i)
    t.notMatch(String(requests()[0]?.route), /\?/)
  })
}

test('an unknown path is logged as route unknown', async (t) => {
  const { fastify, requests } = await build(t)
  await fastify.inject('/nowhere')
  t.match(requests(), [{ level: 30, route: 'unknown', statusCode: 404 }])
})

test('a successful probe is logged at debug level, a failed one at info', async (t) => {
  const { fastify, requests } = await build(t)
  await fastify.inject('/health/live')
  await fastify.inject('/health/ready')
  t.match(requests(), [
    { level: 20, route: '/health/live', statusCode: 200 },
    { level: 30, route: '/health/ready', statusCode: 503 }
  ])
})

/** A logger that cannot tell which levels it has. */
const another: Log = (write) => {
  const at = (level: number) => (line: object, msg: string) => { write(JSON.stringify({ level, ...line, msg })) }
  const [quiet, loud] = [at(20), at(30)]
  const logger = {
    level: 'info', fatal: loud, error: loud, warn: loud, info: loud, debug: quiet, trace: quiet, silent: () => {},
    child: () => logger
  }
  return logger as unknown as FastifyBaseLogger
}

for (const [what, log, levels] of [
  ['info', pinoAt('info'), [30, 30]],
  ['debug', pinoAt('debug'), [20, 30, 30]],
  ['an application\'s own logger, which cannot be asked', another, [20, 30, 30]]
] as const) {
  test(`a logger gets the lines of its level: ${what}`, async (t) => {
    const { fastify, requests } = await build(t, log)
    for (const url of ['/health/live', '/health/ready', '/users/1']) await fastify.inject(url)
    t.same(requests().map(({ level }) => level), levels)
  })
}

test('a failed request is logged like any other', async (t) => {
  const { fastify, requests } = await build(t)
  await fastify.inject('/error')
  t.match(requests(), [{ level: 30, route: '/error', statusCode: 503 }])
})
