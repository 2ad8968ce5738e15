import { test } from 'tap'
import { checkUpstream } from '../support/upstream.js'

test('examples/assertion/upstream.js lets in whom cashsouk-auth vouches for, and nobody else', async (t) => {
  await checkUpstream(t, process.execPath, ['upstream.js'])
})
