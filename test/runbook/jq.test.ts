import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { browser, signIn } from '../support/browser.js'
import { operator } from '../support/operator.js'
import { rootUrl } from '../support/root.js'
import { until } from '../support/until.js'

const page = await readFile(new URL('docs/operations.md', rootUrl), 'utf8')
const [, rest = ''] = page.split('\n### The log with jq\n')
const [SAVE = '', ...commands] =
  [...(rest.split(/^#+ /m)[0] ?? '').matchAll(/^```sh\n(.*?)\n```$/gms)].map(([, command = '']) => command)

/** What each command prints of the log below. */
const PRINTS: [part: string, output: RegExp][] = [
  ['| .outcome', /^ +1 ERR_COGNITO_ANSWER\n +2 ok\n$/],
  ['strftime', /^( +[12] \d{4}-\d\d-\d\dT\d\d:\d\dZ (ok|ERR_COGNITO_ANSWER)\n){2,3}$/],
  [
    '.route) \\(.statusCode',
    /^ +3 GET \/api\/auth\/login 302\n +2 GET \/api\/auth\/callback 303\n(.*\n)* +1 GET \S+me 401\n/
  ],
  ['p99_ms', /^\{\n {2}"requests": 7,\n {2}"failed": 1,\n {2}"p99_ms": \d+\n\}\n$/],
  ['.cause // .reason', /^( +1 (502 ERR_COGNITO_ANSWER \S.*|401 ERR_UNAUTHENTICATED .*)\n){2}$/],
  [
    'durationMs > 1000',
    /^\{"time":"[^"]+Z","route":"\S+callback","statusCode":303,"durationMs":\d{4,},"reqId":"[^"]+"\}$/m
  ],
  ['endswith', /^ +3 127\.0\.0\.1\n$/],
  ['.reqId == null', /^\{"time":"[^"]+Z","msg":"A database connection was lost","reason":"[^"]+"\}\n/],
  ['--arg id', /"msg":"Token exchange".*\n.*"msg":"Request"/]
]

test('Every jq command of docs/operations.md is tested', (t) => {
  t.same(PRINTS.map(([part]) => commands.filter((command) => command.includes(part)).length), PRINTS.map(() => 1))
  t.equal(commands.length, PRINTS.length)
  t.end()
})

test('The jq commands find in a log what they are for', async (t) => {
  const there = await operator(t)
  const { origin, pool, run, server } = there
  const user = browser()
  await signIn(user, origin, { role: 'INVESTOR' })
  pool.fault({ token: 500 })
  await signIn(browser(), origin, { role: 'ISSUER' })
  pool.fault({ delayMs: 1100 })
  await signIn(browser(), origin, { role: 'ISSUER' })
  await browser().get(`${origin}/api/auth/me`)
  await there.postgres.stop()
  await server.seen(/A database connection was lost/)
  await until(() => server.stdout().split('"msg":"Request"').length > 7)

  t.equal(await run(SAVE), '')

  const id = /"reqId":"([^"]+)"[^\n]*"Token exchange"/.exec(server.stdout())?.[1] ?? ''
  for (const [part, output] of PRINTS) {
    const command = commands.find((each) => each.includes(part)) ?? ''
    t.match(await run(command.replace(/(?<=--arg id )\S+/, id)), output, command)
  }
})
