import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { scrape } from '../support/metrics.js'
import { root } from '../support/root.js'
import { server } from '../support/server.js'
import { browser, signIn } from '../support/browser.js'

/** Debian's package prometheus, or `PROMTOOL`. */
const PROMTOOL = process.env.PROMTOOL ?? '/usr/bin/promtool'

function promtool (args: string[], input?: string): { status: number | null, text: string } {
  const { status, stdout, stderr, error } = spawnSync(PROMTOOL, args, {
    cwd: root, encoding: 'utf8', timeout: 60_000, ...(input === undefined ? {} : { input })
  })
  if (error !== undefined) throw error
  return { status, text: stdout + stderr }
}

function passes (t: Test, args: string[], input?: string): void {
  const { status, text } = promtool(args, input)
  t.equal(status, 0, text)
}

interface Panel { title: string, type: string, targets?: { expr: string }[] }
interface Dashboard { panels: Panel[], templating: { list: { name: string }[] } }

test('promtool accepts the alerts, and their unit tests pass', (t) => {
  passes(t, ['check', 'rules', '--lint-fatal', 'deploy/prometheus/alerts.yml'])
  passes(t, ['test', 'rules', 'deploy/prometheus/alerts.test.yml'])
  t.end()
})

test('promtool accepts each expression of the dashboard', async (t) => {
  const text = await readFile(join(root, 'deploy/grafana/dashboard.json'), 'utf8')
  const { panels, templating } = JSON.parse(text) as Dashboard
  const exprs = panels.flatMap(({ title, type, targets = [] }) => {
    if (type !== 'row') t.ok(targets.length > 0, title)
    return targets.map(({ expr }) => expr)
  })
  t.ok(exprs.length > 30)
  const variables = new Set(['__rate_interval', ...templating.list.map(({ name }) => name)])
  const used = exprs.flatMap((expr) => [...expr.matchAll(/\$(\w+)/g)].map(([, name = '']) => name))
  t.same(used.filter((name) => !variables.has(name)), [], 'every variable is defined')
  const rules = exprs.map((expr, index) => ({
    record: `dashboard:expression:${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, 'x')
  }))
  const folder = await mkdtemp(join(tmpdir(), 'dashboard-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'rules.yml')
  await writeFile(path, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
  passes(t, ['check', 'rules', path])
})

test('promtool accepts the metrics of a running server', async (t) => {
  const { url, log } = await server(t, { METRICS_PORT: '0' })
  await signIn(browser(), url)
  const { text } = await scrape(log)
  const { status, text: said } = promtool(['check', 'metrics'], text)
  // prom-client's own names break two of the rules.
  const ours = said.split('\n').filter((line) => line.startsWith('cashsouk_auth_'))
  t.same(ours, [])
  t.ok(status === 0 || status === 3, said)
})
