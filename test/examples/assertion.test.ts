import { test } from 'tap'
import { checkUpstream } from '../support/upstream.js'

test('examples/assertion/upstream.js accepts valid assertions only', async (t) => {
  await checkUpstream(t, process.execPath, ['upstream.js'])
})
