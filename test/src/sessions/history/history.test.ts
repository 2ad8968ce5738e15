import { test } from 'tap'
import { stoppablePostgres } from '../../../support/stoppable-postgres.js'
import { history, killed } from './run.js'
import { withTable } from '../harness.js'

/** Calls that succeed. The gate runs a million. */
const operations = Number(process.env['HISTORY_OPERATIONS'] ?? 6000)

test(`The store keeps every rule in ${operations} calls with database crashes`, async (t) => {
  // It does not wait for the disk, but committed data is in the system's cache, which survives a kill.
  const postgres = await withTable(await stoppablePostgres(t))
  const outages = operations >= 100_000 ? 8 : 2
  const { done, violations, counts, largest, outages: happened } = await history(t, {
    url: postgres.url, operations, outage: killed(postgres), outages, progress: (n) => { t.comment(`${n} calls`) }
  })

  t.same(violations.slice(0, 20), [])
  t.ok(done >= operations)
  t.equal(happened, outages)
  t.comment(counts, `at most ${largest} sessions and calls kept`)
  for (const kind of ['login', 'read', 'write', 'touch', 'destroy', 'prune']) {
    t.ok((counts[`${kind} ok`] ?? 0) > 0, kind)
  }
  t.ok((counts['read unknown'] ?? 0) > 0, 'the outages were noticed')
  t.ok(largest < 5000, 'the checker\'s memory is bounded')
})
