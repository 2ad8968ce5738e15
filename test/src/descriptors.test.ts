import { join } from 'node:path'
import { test } from 'tap'
import { descriptorLimit, neededDescriptors } from '../../src/descriptors.js'

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max processes             31191                31191                processes
Max open files            1024                 524288               files
`

test('the soft limit of open files is read', async (t) => {
  const file = join(t.testdir({ limits: LIMITS }), 'limits')
  t.equal(await descriptorLimit(file), 1024)
  t.ok(1024 < neededDescriptors(10), 'which is too low')
  t.equal(neededDescriptors(500) - neededDescriptors(10), 490, 'each connection of the pool counts')
})

test('no limit is known where the system does not tell, or has none', async (t) => {
  const file = join(t.testdir({ limits: 'Max open files  unlimited  unlimited  files\n' }), 'limits')
  t.equal(await descriptorLimit(file), undefined)
  t.equal(await descriptorLimit('/nowhere/limits'), undefined)
})
