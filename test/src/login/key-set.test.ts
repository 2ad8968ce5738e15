import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose'
import { test, type Test } from 'tap'
import { verifyIdToken } from '../../../src/login/id-token.js'
import { createKeySet } from '../../../src/login/key-set.js'
import { until } from '../../support/until.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const clientId = '1example23456789'
const nonce = 'nonce-of-this-login'

const [first, second, third] = await Promise.all([makeKey('first'), makeKey('second'), makeKey('third')])

async function makeKey (kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  return { privateKey, kid, jwk: { ...await exportJWK(publicKey), kid, alg: 'RS256', use: 'sig' } }
}

const json = (body: unknown): Answer => (_request, response) => {
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(typeof body === 'string' ? body : JSON.stringify(body))
}
const jwks = (...keys: { jwk: JWK }[]) => json({ keys: keys.map(({ jwk }) => jwk) })

/** A key server, and a key set that uses it. */
async function setUp (t: Test, initial: Answer) {
  const requests: string[] = []
  const times: number[] = []
  let answer = initial
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    times.push(performance.now())
    response.on('error', () => {})
    answer(request, response)
  })
  const close = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => { server.close(resolve) })
  }
  t.teardown(close)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/eu-west-1_AbCdEfGhI`
  const keys = createKeySet(issuer)
  return {
    requests,
    times,
    close,
    answer: (next: Answer) => { answer = next },
    /** Verifies a token that `key` signed. */
    verify: async ({ privateKey, kid }: typeof first) => {
      const now = Math.floor(Date.now() / 1000)
      const token = await new SignJWT({
        iss: issuer,
        aud: clientId,
        sub: 'user-1',
        nonce,
        token_use: 'id',
        iat: now,
        exp: now + 60
      })
        .setProtectedHeader({ alg: 'RS256', kid })
        .sign(privateKey)
      return verifyIdToken(token, { issuers: new Map([[issuer, keys]]), clientId, nonce })
    },
    /** Asks the key set directly, without a token. */
    find: async (kid: string) => keys({ alg: 'RS256', kid }, { payload: '', signature: '' })
  }
}

/** Moves `Date.now` forward; timers and sockets are not affected. */
function advance (t: Test, seconds: number): void {
  const start = Date.now()
  const clock = mock.method(Date, 'now', () => start + seconds * 1000)
  t.teardown(() => { clock.mock.restore() })
}

async function within<Value> (t: Test, limitMs: number, work: () => Promise<Value>): Promise<Value> {
  const start = performance.now()
  try {
    return await work()
  } finally {
    const took = performance.now() - start
    t.ok(took < limitMs, `took ${Math.round(took)} ms`)
  }
}

test('nothing is fetched before a key is needed', async (t) => {
  const { requests } = await setUp(t, jwks(first))
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.same(requests, [])
})

test('the keys are fetched once, from the issuer\'s jwks.json', async (t) => {
  const { requests, verify } = await setUp(t, jwks(first, second))

  await Promise.all(Array.from({ length: 20 }, (_, i) => verify(i % 2 === 0 ? first : second)))
  for (let i = 0; i < 5; i++) await verify(first)

  t.same(requests, ['GET /eu-west-1_AbCdEfGhI/.well-known/jwks.json'])
})

test('a key that was rotated in is found', async (t) => {
  const { requests, verify, answer } = await setUp(t, jwks(first))
  await verify(first)
  answer(jwks(first, second))
  advance(t, 2)

  t.equal((await verify(second)).user.sub, 'user-1')
  t.equal((await verify(first)).user.sub, 'user-1')

  t.equal(requests.length, 2)
})

test('a key that was rotated out fails after the next fetch', async (t) => {
  const { verify, answer } = await setUp(t, jwks(first))
  await verify(first)
  answer(jwks(second))
  advance(t, 601)

  await verify(second)

  await t.rejects(verify(first), { code: 'ERR_ID_TOKEN' })
})

test('known keys are fetched again after ten minutes', async (t) => {
  const { requests, verify } = await setUp(t, jwks(first))
  await verify(first)

  await t.test('after nine minutes', async (t) => {
    advance(t, 9 * 60)
    await verify(first)
    t.equal(requests.length, 1)
  })
  await t.test('after eleven minutes', async (t) => {
    advance(t, 11 * 60)
    await verify(first)
    await until(() => requests.length > 1)
    t.equal(requests.length, 2)
  })
})

test('unknown keys cause at most one fetch per second', async (t) => {
  const { requests, times, verify } = await setUp(t, jwks(first))
  await verify(first)

  const flood = () =>
    Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        t.rejects(verify({ ...second, kid: `unknown-${i}` }), { code: 'ERR_ID_TOKEN' })
      )
    )
  const floods = [flood()]
  t.equal(requests.length, 1, 'within the first second')
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => { setTimeout(resolve, 300) })
    floods.push(flood())
  }
  await Promise.all(floods)

  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  t.ok(gaps.every((gap) => gap > 950), `one fetch after ${gaps.map(Math.round).join(', ')} ms`)
  t.ok(requests.length >= 2 && requests.length <= 4, `${requests.length} requests`)
})

test('a key that changes twice within a second is waited for', async (t) => {
  const { requests, verify, answer } = await setUp(t, jwks(first))
  await verify(first)
  answer(jwks(second))
  await t.test('the first change', async (t) => { await within(t, 1500, () => verify(second)) })
  answer(jwks(first, second, third))

  await within(t, 1500, () => Promise.all(Array.from({ length: 20 }, () => verify(third))))

  t.equal(requests.length, 3)
})

test('a token with an unknown key is decided by a fetch that began after it came', async (t) => {
  let release = (): void => {}
  const { requests, verify, answer } = await setUp(t, jwks(first))
  await verify(first)
  // The answer has the keys of the time at which it was asked for, and is late.
  const old = jwks(first)
  answer((request, response) => { release = () => { old(request, response) } })
  const early = verify({ ...second, kid: 'unknown' })
  await until(() => requests.length === 2)
  answer(jwks(second))
  const late = verify(second)
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  release()

  await t.rejects(early, { code: 'ERR_ID_TOKEN' })
  t.equal((await late).user.sub, 'user-1')
  t.equal(requests.length, 3)
})

test('a token waits five seconds for its key at most', async (t) => {
  const { requests, verify, answer } = await setUp(t, jwks(first))
  await verify(first)
  // A fetch that is under way ends late, without the key, and the next one does not end.
  answer((request, response) => { setTimeout(() => { jwks(first)(request, response) }, 3000) })
  advance(t, 601)
  await verify(first)
  await until(() => requests.length === 2)
  answer(() => {})

  await within(t, 5500, () => t.rejects(verify(second), TIMEOUT))
  t.equal(requests.length, 3)
})

test('a thousand tokens wait for a key, and no more', async (t) => {
  const { requests, find } = await setUp(t, jwks(first))
  await find('first')

  const outcomes = Array.from({ length: 1200 }, () => find('unknown').then(
    () => 'found', (error: unknown) => requests.length === 1 ? 'at once' : (error as { code: string }).code
  ))
  const counts = new Map<string, number>()
  for (const outcome of await Promise.all(outcomes)) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)

  t.same(Object.fromEntries(counts), { 'at once': 200, 'ERR_JWKS_NO_MATCHING_KEY': 1000 })
  t.equal(requests.length, 2)
})

test('an unknown key fails only its own token', async (t) => {
  const { verify } = await setUp(t, jwks(first))
  await t.rejects(verify(second), { code: 'ERR_ID_TOKEN', statusCode: 401 })
  t.ok(await verify(first))
})

const TIMEOUT = { code: 'ERR_COGNITO_TIMEOUT', statusCode: 504 }
const ANSWER = { code: 'ERR_COGNITO_ANSWER', statusCode: 502 }
const flood = (chunk: string): Answer => (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
}

const hangs: [what: string, answer: Answer][] = [
  ['that never answers', () => {}],
  ['that stops after the headers', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
  }],
  ['that stops within the body', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"keys":[')
  }]
]

const troubles: [what: string, answer: Answer, error: typeof TIMEOUT][] = [
  ['that resets the connection', (request) => { request.socket.resetAndDestroy() }, TIMEOUT],
  ['that resets the connection within the body', (request, response) => {
    response.write('{"keys":[', () => {
      request.socket.resetAndDestroy()
    })
  }, TIMEOUT],
  ['that answers 500', (_request, response) => { response.writeHead(500).end('{}') }, ANSWER],
  ['that answers 503 and never ends', (_request, response) => { response.writeHead(503).write('x') }, ANSWER],
  ['that answers 404', (_request, response) => { response.writeHead(404).end() }, ANSWER],
  ['that answers 204', (_request, response) => { response.writeHead(204).end() }, ANSWER],
  ['that answers 429', (_request, response) => {
    response.writeHead(429, { 'retry-after': '60' }).end()
  }, ANSWER],
  ['that answers an empty body', (_request, response) => { response.writeHead(200).end() }, ANSWER],
  ['that answers HTML', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>')
  }, ANSWER],
  ['that answers truncated JSON', json('{"keys":[{"kty":"RSA"'), ANSWER],
  ['that answers text as JSON', json('hello'), ANSWER],
  ['that answers a JSON string', json('"keys"'), ANSWER],
  ['that answers null', json('null'), ANSWER],
  ['that answers a list', json('[]'), ANSWER],
  ['that answers an object without keys', json('{}'), ANSWER],
  ['whose keys are not a list', json('{"keys":{}}'), ANSWER],
  ['whose keys are not objects', json('{"keys":["x",1,null]}'), ANSWER],
  ['that answers a megabyte', json(`{"keys":[],"x":"${'x'.repeat(1024 * 1024)}"}`), ANSWER],
  ['that never stops answering', flood(' '.repeat(65_536)), ANSWER]
]

test('a key server that hangs is ERR_COGNITO_TIMEOUT', async (t) => {
  await within(t, 5500, () => Promise.all(hangs.map(async ([what, answer]) => {
    const { verify, find } = await setUp(t, answer)
    await Promise.all([t.rejects(verify(first), TIMEOUT, what), t.rejects(find('first'), TIMEOUT, what)])
  })))
})

for (const [what, answer, error] of troubles) {
  test(`a key server ${what} is ${error.code}`, async (t) => {
    const { verify, find } = await setUp(t, answer)
    await within(t, 3000, () => Promise.all([
      t.rejects(verify(first), error),
      t.rejects(find('first'), error, 'from the set itself')
    ]))
  })
}

test('a refused connection is ERR_COGNITO_TIMEOUT at once', async (t) => {
  const { verify, find, close } = await setUp(t, jwks(first))
  await close()
  await within(t, 2000, () => t.rejects(verify(first), TIMEOUT))
  await t.rejects(find('first'), TIMEOUT)
})

test('a redirect is not followed', async (t) => {
  const elsewhere = await setUp(t, jwks(first))
  const { verify } = await setUp(t, (_request, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:1${elsewhere.requests.length}/` }).end()
  })
  await t.rejects(verify(first), ANSWER)
  t.same(elsewhere.requests, [])
})

test('an endless answer is cut off', async (t) => {
  let sent = 0
  const chunk = ' '.repeat(65_536)
  const { verify } = await setUp(t, (_request, response) => {
    response.writeHead(200)
    const more = () => { while (!response.destroyed && response.write(chunk)) sent += chunk.length }
    response.on('drain', more)
    more()
  })
  await t.rejects(verify(first), ANSWER)
  await new Promise((resolve) => { setTimeout(resolve, 200) })
  t.ok(sent < 16 * 1024 * 1024, `${sent} bytes were sent`)
})

test('a compressed answer is limited by its inflated size', async (t) => {
  const bomb = gzipSync(`{"keys":[],"x":"${'x'.repeat(8 * 1024 * 1024)}"}`)
  const { verify } = await setUp(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
  })
  await t.rejects(verify(first), ANSWER)
})

test('after a failure the next token fetches the keys again', async (t) => {
  const { verify, answer } = await setUp(t, (_request, response) => { response.writeHead(503).end() })
  await t.rejects(verify(first), ANSWER)
  answer(jwks(first))
  t.ok(await verify(first))
})

const away: [what: string, answer: Answer | undefined][] = [
  ['is down', undefined],
  ['answers 503', (_request, response) => { response.writeHead(503).end() }],
  ['answers HTML', (_request, response) => { response.end('<!doctype html>') }],
  ['answers an object without keys', json('{}')],
  ['never answers', () => {}]
]
for (const [what, then] of away) {
  test(`known keys are used without delay while the server ${what}`, async (t) => {
    const { verify, answer, close, requests } = await setUp(t, jwks(first))
    await verify(first)
    if (then === undefined) await close()
    else answer(then)
    advance(t, 24 * 3600)

    await within(t, 3000, async () => { for (let i = 0; i < 20; i++) t.ok(await verify(first)) })

    if (then === undefined) return
    await until(() => requests.length > 1)
    t.equal(requests.length, 2, 'one more fetch')
  })
}

test('a failed refresh is repeated after ten seconds', async (t) => {
  const { verify, answer, requests } = await setUp(t, jwks(first))
  await verify(first)
  answer((_request, response) => { response.writeHead(503).end() })
  await t.test('beyond their age', async (t) => {
    advance(t, 601)
    await verify(first)
    await until(() => requests.length === 2)
    await new Promise((resolve) => { setTimeout(resolve, 50) })
    await verify(first)
  })
  t.equal(requests.length, 2)
  answer(jwks(second))
  advance(t, 612)
  await verify(first)
  await until(() => requests.length === 3)
  t.ok(await verify(second))
})

test('unknown keys do not flood a failing server', async (t) => {
  const { requests, verify, answer } = await setUp(t, jwks(first))
  await verify(first)
  answer((_request, response) => { response.writeHead(503).end() })
  advance(t, 2)

  for (let i = 0; i < 50; i++) await t.rejects(verify({ ...second, kid: `unknown-${i}` }), ANSWER)

  t.equal(requests.length, 2)
})

test('an unknown key while the server is down is a timeout', async (t) => {
  const { verify, close } = await setUp(t, jwks(first))
  await verify(first)
  await close()
  advance(t, 2)
  await t.rejects(verify(second), TIMEOUT)
})

test('the error does not quote the server', async (t) => {
  const { verify } = await setUp(t, (_request, response) => {
    response.end('<p>hidden words of a proxy</p>')
  })
  const error = await verify(first).then(() => undefined, (raised: unknown) => raised)
  t.notMatch(inspect(error, { depth: null, showHidden: true }), /hidden words/)
})
