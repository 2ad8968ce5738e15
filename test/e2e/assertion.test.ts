import { test } from 'tap'
import { checkUpstream } from '../support/upstream.js'

/** Debian's, which has python3-jwt. */
const PYTHON = process.env['PYTHON'] ?? '/usr/bin/python3'

test('examples/assertion/upstream.py lets in whom cashsouk-auth vouches for, and nobody else', async (t) => {
  await checkUpstream(t, PYTHON, ['upstream.py'])
})
