import { test } from 'tap'
import { newLoginId, readTicket, writeTicket } from '../../../src/login/ticket.js'

const ticket = { id: newLoginId(), requestedRole: 'ISSUER', returnTo: '/offers?page=2#top' }

test('an id is the second in which it was made, and 128 random bits', (t) => {
  const ids = Array.from({ length: 1000 }, newLoginId)
  for (const id of ids) t.match(id, /^[0-9a-z]{6}-[\w-]{22}$/)
  t.ok(Math.abs(parseInt(ids[0]?.split('-', 1)[0] ?? '', 36) - Date.now() / 1000) < 60)
  t.equal(new Set(ids).size, 1000)
  t.end()
})

test('what is written is read again, in characters that every cookie may have', (t) => {
  for (const returnTo of ['/', ticket.returnTo, 'https://investor.example.com/a;b,c="d"?e=%20', `/${'x'.repeat(255)}`]) {
    const text = writeTicket({ ...ticket, returnTo })
    t.match(text, /^[\w.-]+$/)
    t.same(readTicket(text), { ...ticket, returnTo })
  }
  t.end()
})

test('a return address of more than 256 characters is not kept', (t) => {
  t.same(readTicket(writeTicket({ ...ticket, returnTo: `/${'x'.repeat(256)}` })), { ...ticket, returnTo: '/' })
  t.end()
})

test('what is no ticket is none: a session\'s id, too, is signed by us', (t) => {
  for (const text of ['', '.', 'x', 'x.y', 'N3b0wq3Jk2pZ6ZkqW8oXcAxxYVgMZ6fL', `${ticket.id.slice(1)}.x`, `${ticket.id}x.x`, `${ticket.id}.x.y`, `X${writeTicket(ticket)}`]) {
    t.equal(readTicket(text), undefined, text)
  }
  t.end()
})
