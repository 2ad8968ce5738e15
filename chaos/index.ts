/**
 * `npm run chaos`: three production instances behind nginx, people who sign in, read and sign out, a ledger of what
 * they were told, and one fault after the other. Ends with 1 if something acknowledged was lost, or a bound was missed.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { SCENARIOS } from './faults/index.js'
import { endTogether } from './processes.js'
import { run, type Outcome } from './run.js'

const USAGE = `npm run chaos -- [options] [scenario …]

  --times N   how often each fault happens; default: as often as the scenario says
  --json      prints the figures as JSON
  --untimed   only what was acknowledged counts, and that no instance ends: for a machine that does other work

Scenarios, by default all:
${SCENARIOS.map(({ name, what }) => `  ${name.padEnd(24)}${what}`).join('\n')}`

const HEAD = [
  'fault', 'times', 'requests', 'failed', 'restarted', 'lost', 'undone', 'slowest answer', 'right again after',
  'for new requests', 'live', 'live, without waits for a CPU'
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: 'string' },
    json: { type: 'boolean' },
    untimed: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' }
  }
})
const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name))
if (values.help === true || unknown.length > 0) {
  for (const name of unknown) process.stderr.write(`There is no scenario ${name}\n`)
  process.stdout.write(`${USAGE}\n`)
  process.exit(unknown.length > 0 ? 1 : 0)
}

endTogether()
const outcomes: Outcome[] = []
/** Scenarios that could not be brought about as they should. */
const broken: string[] = []
for (const scenario of SCENARIOS) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue
  const times = values.times === undefined ? scenario.times : Number(values.times)
  process.stderr.write(`${scenario.name}: ${scenario.what}, ${times} times …\n`)
  const outcome = await run(scenario, times, values.untimed === true).catch((error: unknown) => {
    broken.push(scenario.name)
    process.stderr.write(`  BROKEN: ${(error as Error).message}\n`)
  })
  if (broken.includes(scenario.name)) continue
  if (outcome === undefined) {
    process.stderr.write('  left out: it needs the rights of root, or Patroni, etcd and HAProxy\n')
    continue
  }
  process.stderr.write(`${lineOf(outcome)}\n`)
  for (const problem of outcome.problems) process.stderr.write(`  NOT OK: ${problem}\n`)
  outcomes.push(outcome)
}
if (values.json === true) process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`)
else process.stdout.write(`${table(outcomes)}\n`)
process.exit(broken.length > 0 || outcomes.some(({ problems }) => problems.length > 0) ? 1 : 0)

/** As Markdown, for docs/operations.md. */
function table (rows: Outcome[]): string {
  const rule = HEAD.map((_, column) => column === 0 ? '---' : '--:')
  return [lineOfCells(HEAD), lineOfCells(rule), ...rows.map(lineOf)].join('\n')
}

function lineOf (row: Outcome): string {
  return lineOfCells([
    row.what, row.times, row.requests, row.failures, row.restartedLogins, row.lost + row.lostLogins, row.undone,
    `${row.slowestMs} ms`, `${row.recoveryMs} ms`, `${row.newRequestsMs} ms`,
    `${row.liveMs} ms`, `${row.liveOwnMs} ms`
  ])
}

function lineOfCells (cells: (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}
