import { test } from 'tap'
import fc from 'fast-check'
import { ProtocolGuard } from '../../../src/sessions/protocol-guard.js'
import { holds } from '../../support/properties.js'

const message = (type: string, length: number, body = ''): Buffer => {
  const head = Buffer.from(`${type}0000`)
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, Buffer.from(body)])
}

/** A message whose length is right. */
const whole = (type: string, body: string): Buffer => message(type, 4 + Buffer.byteLength(body), body)

const ANSWER = Buffer.concat([
  whole('1', ''), whole('2', ''), whole('T', 'sess and its type'), whole('D', 'x'.repeat(40_000)),
  whole('C', 'SELECT 1\0'), whole('Z', 'I')
])

for (const [what, bytes] of Object.entries({
  'HTTP': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'TLS': Buffer.from([0x15, 3, 1, 0, 2, 2, 70]),
  'letters': Buffer.alloc(200, 'A'),
  'zeros': Buffer.alloc(200),
  'an error of PostgreSQL 7, which has no length': Buffer.from('Ecould not fork new process\n\0'),
  'a length below that of the length itself': message('C', 3),
  'a row of more than a gigabyte': message('D', 0x4000_0000),
  'a long message of a kind that is short': message('Z', 30_001),
  'an unknown type': message('x', 4),
  'anything after a whole answer': Buffer.concat([ANSWER, Buffer.from('HTTP/')])
})) {
  test(`${what} is not PostgreSQL's protocol`, (t) => {
    t.notOk(new ProtocolGuard().isPossible(bytes))
    const piecemeal = new ProtocolGuard()
    t.notOk([...bytes].every((byte) => piecemeal.isPossible(Buffer.of(byte))), 'byte by byte')
    t.end()
  })
}

test('An answer is possible however it is cut into pieces', async () => {
  await holds(fc.property(fc.array(fc.nat(ANSWER.length), { maxLength: 12 }), (places) => {
    const guard = new ProtocolGuard()
    const cuts = [0, ...places.sort((a, b) => a - b), ANSWER.length]
    return cuts.slice(1).every((end, n) => guard.isPossible(ANSWER.subarray(cuts[n], end)))
  }))
})

test('The longest messages are possible', (t) => {
  for (const head of [message('D', 0x3fff_ffff), message('R', 30_000), message('Z', 5)]) {
    t.ok(new ProtocolGuard().isPossible(head), head.toString('hex'))
  }
  t.end()
})
