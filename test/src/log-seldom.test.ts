import { test } from 'tap'
import { logSeldom, once } from '../../src/log-seldom.js'

test('logSeldom logs each text once a minute', (t) => {
  const real = performance.now.bind(performance)
  t.teardown(() => { performance.now = real })
  let nowMs = 0
  performance.now = () => nowMs
  const lines: string[] = []
  const log = logSeldom((text) => { lines.push(text) })

  for (const ms of [0, 1, 59_999, 60_000, 60_001]) {
    nowMs = ms
    log('one')
  }
  log('two')

  t.same(lines, ['one', 'one', 'two'])
  t.end()
})

test('once logs once', (t) => {
  let count = 0
  const log = once(() => { count++ })
  log()
  log()
  t.equal(count, 1)
  t.end()
})
