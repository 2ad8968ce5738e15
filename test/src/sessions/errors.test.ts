import { test } from 'tap'
import { defineError } from '../../../src/sessions/errors.js'

const ERR_PLAIN = defineError('ERR_PLAIN', 'It failed', 503)
const ERR_DETAIL = defineError('ERR_DETAIL', 'It failed: %s', 400)

test('defineError gives a class with code, status, message and cause', (t) => {
  const cause = new Error('why')
  const plain = new ERR_PLAIN({ cause })
  // Typed: no assertion is needed for either.
  const [code, statusCode]: ['ERR_PLAIN', 503] = [plain.code, plain.statusCode]
  t.same([code, statusCode, plain.message, plain.cause], ['ERR_PLAIN', 503, 'It failed', cause])
  t.ok(plain instanceof Error && plain instanceof ERR_PLAIN)
  t.end()
})

test('defineError puts the value into the message', (t) => {
  const cause = new Error('why')
  t.match(new ERR_DETAIL('too long', { cause }), { message: 'It failed: too long', statusCode: 400, cause })
  t.match(new ERR_DETAIL(7), { message: 'It failed: 7', cause: undefined })
  t.end()
})
