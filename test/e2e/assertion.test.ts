import { test } from 'tap'
import { checkUpstream } from '../support/upstream.js'

/** Debian's, which has python3-jwt. */
const PYTHON = process.env['PYTHON'] ?? '/usr/bin/python3'

test('examples/assertion/upstream.py accepts valid assertions only', async (t) => {
  await checkUpstream(t, PYTHON, ['upstream.py'])
})
