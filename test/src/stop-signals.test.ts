import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { onStopSignals } from '../../src/stop-signals.js'

function listen () {
  const events = new EventEmitter()
  const seen: string[] = []
  onStopSignals({
    first: (signal) => { seen.push(`first ${signal}`) },
    again: (signal) => { seen.push(`again ${signal}`) }
  }, events)
  return { events, seen }
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`a second ${signal} is told from the first`, async (t) => {
    const { events, seen } = listen()
    events.emit('SIGTERM')
    await sleep(150)
    events.emit(signal)
    t.same(seen, ['first SIGTERM', `again ${signal}`])
  })
}

test('Ctrl-C that arrives twice, from the terminal and from npm, is one signal', async (t) => {
  const { events, seen } = listen()
  events.emit('SIGINT')
  await sleep(5)
  events.emit('SIGINT')
  t.same(seen, ['first SIGINT'])
})
