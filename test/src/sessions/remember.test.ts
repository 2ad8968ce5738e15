import { test } from 'tap'
import { remember } from '../../../src/sessions/remember.js'

test('A result is computed once while it is remembered', async (t) => {
  let computed = 0
  const twice = remember((text) => { computed++; return text + text }, 10)

  for (let i = 0; i < 5; i++) t.equal(twice('a'), 'aa')

  t.equal(computed, 1)
})

test('What is used stays, what is not is forgotten, and memory is bounded', async (t) => {
  const computed: string[] = []
  const echo = remember((text) => { computed.push(text); return text }, 3)

  for (let i = 0; i < 100; i++) { echo('often'); echo(`once ${i}`) }
  echo('once 0')

  t.equal(computed.filter((text) => text === 'often').length, 1)
  t.equal(computed.filter((text) => text === 'once 0').length, 2)
})

test('A result that is not worthwhile is computed each time, and pushes nothing out', async (t) => {
  const computed: string[] = []
  const valid = remember((text) => { computed.push(text); return text === 'valid' }, 1, (out) => out)

  valid('valid')
  for (let i = 0; i < 100; i++) t.equal(valid('forged'), false)
  valid('valid')

  t.equal(computed.filter((text) => text === 'forged').length, 100)
  t.equal(computed.filter((text) => text === 'valid').length, 1)
})
