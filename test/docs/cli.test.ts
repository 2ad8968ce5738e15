import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { test } from 'tap'
import { program } from '../../src/cli/program.js'
import { PgSessionStore } from '../../src/sessions/store.js'
import { cli } from '../support/cli.js'
import { database } from '../support/database.js'
import { rootUrl } from '../support/root.js'

const page = await readFile(new URL('docs/cli.md', rootUrl), 'utf8')

const helps = [...page.matchAll(/^```text\n\$ cashsouk-auth ([^\n]*--help)\n(.*?)^```$/gms)]
  .map(([, args = '', text = '']) => [args, text] as const)

for (const [args, text] of helps) {
  test(`docs/cli.md has the help of cashsouk-auth ${args}`, async (t) => {
    t.equal((await cli(args.split(' '))).stdout.trimEnd(), text.trimEnd())
  })
}

test('docs/cli.md has the help of every command', async (t) => {
  const { stdin, stdout, stderr } = process
  const root = program({ stdin, stdout, stderr, env: {}, interrupted: new AbortController().signal })
  const names = root.commands.flatMap((command) =>
    command.commands.length === 0
      ? [command.name()]
      : command.commands.map((leaf) => `${command.name()} ${leaf.name()}`))

  t.same(names.filter((name) => !helps.some(([args]) => args === `${name} --help`)), [])
  t.equal(names.length, 12)
})

/** The samples of JSON, by their command. */
const samples = new Map([...page.matchAll(/^```json ([^\n]*) --json\n(.*?)^```$/gms)]
  .map(([, command = '', text = '']) => [command, JSON.parse(text) as unknown]))

test('The JSON of docs/cli.md has the names that the commands give', async (t) => {
  const { url } = await database(t)
  const store = new PgSessionStore({ conString: url, absoluteTtl: 43_200, pruneSessionInterval: false })
  t.teardown(() => store.close())
  const user = { sub: 'a-user-of-this-test', email: 'investor@example.com' }
  await promisify(store.set.bind(store))('id', { cookie: {}, user, role: 'INVESTOR' })
  const [session] = await store.listByUser(user.sub)
  const given: Record<string, string[]> = {
    'sessions show': [session?.id ?? ''], 'data export': ['--user', user.sub]
  }

  t.equal(samples.size, 5)
  for (const [command, sample] of samples) {
    const args = [...command.split(' '), ...given[command] ?? [], '--json']
    const { json } = await cli(args, { env: { DATABASE_URL: url } })
    t.same(namesIn(json()), namesIn(sample), command)
  }
})

/** The names of an object, and of the objects of a list. */
function namesIn (value: unknown): string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap(namesIn))].sort()
  return Object.entries(value as object).flatMap(([name, member]) =>
    Array.isArray(member) && typeof member[0] === 'object' && name !== 'findings'
      ? [name, ...namesIn(member).map((inner) => `${name}.${inner}`)]
      : [name]).sort()
}
