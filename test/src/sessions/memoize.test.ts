import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Signer } from '@fastify/cookie'
import { test } from 'tap'
import { memoize } from '../../../src/sessions/memoize.js'
import { rememberingSigner } from '../../../src/sessions/signer.js'

test('A memoized result is computed once', async (t) => {
  let computed = 0
  const twice = memoize((text) => {
    computed++
    return text + text
  }, 10)

  for (let i = 0; i < 5; i++) t.equal(twice('a'), 'aa')

  t.equal(computed, 1)
})

test('The cache is bounded and drops what is not used', async (t) => {
  const computed: string[] = []
  const echo = memoize((text) => {
    computed.push(text)
    return text
  }, 3)

  for (let i = 0; i < 100; i++) {
    echo('often')
    echo(`once ${i}`)
  }
  echo('once 0')

  t.equal(computed.filter((text) => text === 'often').length, 1)
  t.equal(computed.filter((text) => text === 'once 0').length, 2)
})

test('An uncacheable result is computed each time and evicts nothing', async (t) => {
  const computed: string[] = []
  const valid = memoize((text) => {
    computed.push(text)
    return text === 'valid'
  }, 1, (out) => out)

  valid('valid')
  for (let i = 0; i < 100; i++) t.equal(valid('forged'), false)
  valid('valid')

  t.equal(computed.filter((text) => text === 'forged').length, 100)
  t.equal(computed.filter((text) => text === 'valid').length, 1)
})

test('A cached text does not retain the header it was cut from', async (t) => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const heapMb = () => {
    gc()
    return process.memoryUsage().heapUsed / 2 ** 20
  }
  const half = memoize((text) => text.slice(0, 32), 1000)
  const before = heapMb()

  for (let n = 0; n < 1000; n++) half(`${String(n).padStart(64, '-')}${'x'.repeat(50_000)}`.split('x', 1)[0] ?? '')

  t.ok(heapMb() - before < 10, 'less than the 50 MB of the headers')
  t.equal(half('1'.padStart(64, '-')), '-'.repeat(32))
})

test('An ill-formed string has its own result, which is not cached', async (t) => {
  let computed = 0
  const first = memoize((text) => {
    computed++
    return text.charCodeAt(0)
  }, 10)
  for (let i = 0; i < 2; i++) t.same(['\ud800', '\ud801', '\ufffd'].map(first), [0xd800, 0xd801, 0xfffd])
  t.equal(computed, 5)
})

test('A valid cookie is signed again only if its secret is old', async (t) => {
  const made: string[] = []
  const counted = (secrets: string | string[]) => {
    const real = new Signer(secrets)
    return rememberingSigner({
      sign (value) {
        made.push(value)
        return real.sign(value)
      },
      unsign: (signed) => real.unsign(signed)
    })
  }
  const [older, newer] = ['o'.repeat(32), 'n'.repeat(32)]
  const cookie = new Signer(older).sign('id')

  const same = counted(older)
  t.match(same.unsign(cookie), { valid: true, renew: false, value: 'id' })
  t.equal(same.sign('id'), cookie)
  t.same(made, [])

  const rotated = counted([newer, older])
  t.match(rotated.unsign(cookie), { valid: true, renew: true, value: 'id' })
  t.equal(rotated.sign('id'), new Signer(newer).sign('id'))
  t.same(made, ['id'])

  t.match(same.unsign(`${cookie.slice(0, -1)}!`), { valid: false })
})

test('A signer caches only valid signatures', async (t) => {
  const asked: string[] = []
  const signer = rememberingSigner({
    sign: (value) => value,
    unsign (signed) {
      asked.push(signed)
      return signed === 'valid'
        ? { valid: true, renew: false, value: 'id' }
        : { valid: false, renew: false, value: null }
    }
  }, 1)
  for (let i = 0; i < 2; i++) t.same(['valid', 'forged'].map((signed) => signer.unsign(signed).value), ['id', null])
  t.same(asked, ['valid', 'forged', 'forged'])
})
