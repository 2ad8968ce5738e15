import { test } from 'tap'
import { withoutPorts } from '../../src/client-port.js'

for (const [given, expected] of [
  ['203.0.113.7:41234', '203.0.113.7'],
  ['203.0.113.7', '203.0.113.7'],
  ['192.0.2.1:1, 203.0.113.7:65535', '192.0.2.1,203.0.113.7'],
  ['[2001:db8::7]:443', '2001:db8::7'],
  ['[2001:db8::7]', '2001:db8::7'],
  ['[::ffff:203.0.113.7]:443', '::ffff:203.0.113.7'],
  ['2001:db8::7', '2001:db8::7'],
  ['::1', '::1'],
  ['2001:db8::7:443', '2001:db8::7:443'],
  ['unknown', 'unknown'],
  ['203.0.113.7:', '203.0.113.7:'],
  ['203.0.113.7:port', '203.0.113.7:port'],
  ['203.0.113.7:1:2', '203.0.113.7:1:2'],
  ['host.example:443', 'host.example:443'],
  ['[evil]:443', '[evil]:443'],
  ['', '']
] as const) {
  test(`X-Forwarded-For ${JSON.stringify(given)} is read as ${JSON.stringify(expected)}`, (t) => {
    t.equal(withoutPorts(given), expected)
    t.end()
  })
}
