/**
 * The commands, their options and their help. What a command does is in a file of its own, which is loaded when it
 * runs.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { Command, InvalidArgumentError } from 'commander'
import { coloured, type Terminal } from './terminal.js'

/** The options of all commands. */
export interface Options {
  json?: boolean
  user?: string
  email?: string
  yes?: boolean
  /** Milliseconds. */
  olderThan?: number
  limit?: number
  instances?: number
  atOnce?: boolean
}

/** What a command does. @throws {CommandError} */
export type Action = (terminal: Terminal, options: Options, argument?: string) => Promise<void>

const USER = ['--user <sub>', 'the user with this sub'] as const
const YES = ['--yes', 'do not ask'] as const

/** The whole command line, for one use. */
export function program (terminal: Terminal): Command {
  const run = (load: () => Promise<Action>) => async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command
    const [argument] = given.slice(0, -2) as [string?]
    const action = await load()
    await action(terminal, command.optsWithGlobals(), argument)
  }

  const root = new Command('cashsouk-auth')
    .description('Looks after the sessions of cashsouk-auth.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => { terminal.stdout.write(text) },
      writeErr: (text) => { terminal.stderr.write(text) },
      getOutHasColors: () => true,
      getErrHasColors: () => false,
      outputError: (text, write) => { write(`${text.trim().replaceAll(/\s*\n\s*/g, ' ')}\n`) }
    })
    .configureHelp({ sortSubcommands: false, styleTitle: (title) => coloured(terminal, 'bold', title) })
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', ENVIRONMENT)

  json(root.command('schema'))
    .description('print the SQL that creates the tables')
    .action(run(async () => (await import('./commands/schema.js')).schema))

  json(root.command('check'))
    .description('read the configuration, reach the database and Cognito, and say what is wrong')
    .option('--instances <n>', 'how many instances share the database', wholeNumber, 1)
    .addHelpText('after', CHECK)
    .action(run(async () => (await import('./commands/check.js')).check))

  const sessions = group(root, 'sessions', 'count, show and end sessions')
  json(sessions.command('stats'))
    .description('count the rows of the session table, and say how large it is')
    .action(run(async () => (await import('./commands/sessions-stats.js')).stats))
  json(sessions.command('list'))
    .description('list the sessions of signed-in users, the latest expiry first')
    .option(...USER)
    .option('--limit <n>', 'how many at most', wholeNumber, 100)
    .action(run(async () => (await import('./commands/sessions-list.js')).list))
  json(sessions.command('show'))
    .description('show a session')
    .argument('<id>', ID)
    .action(run(async () => (await import('./commands/sessions-show.js')).show))
  json(sessions.command('revoke'))
    .description('end a session, or all of a user')
    .argument('[id]', ID)
    .option(...USER)
    .option('--email <address>', 'the users with this e-mail address, in capitals or not')
    .option(...YES)
    .addHelpText('after', REVOKE)
    .action(run(async () => (await import('./commands/sessions-revoke.js')).revoke))
  json(sessions.command('prune'))
    .description('remove the rows that have expired, as the server does by itself')
    .action(run(async () => (await import('./commands/sessions-prune.js')).prune))
  json(sessions.command('clear'))
    .description('end all sessions and started logins')
    .option('--older-than <duration>', 'only sessions that began longer ago, such as 45s, 30m, 1h or 2d', duration)
    .option(...YES)
    .action(run(async () => (await import('./commands/sessions-clear.js')).clear))

  json(root.command('events'))
    .description('print the audit trail, the latest event first')
    .option(...USER)
    .option('--limit <n>', 'how many at most', wholeNumber, 100)
    .action(run(async () => (await import('./commands/events.js')).events))

  const keys = group(root, 'keys', 'the keys of x-auth-assertion')
  json(keys.command('rotate'))
    .description('make a new key, which signs in 20 minutes')
    .option('--at-once', 'it signs now, and the keys so far are gone: for a key that has leaked')
    .option(...YES)
    .action(run(async () => (await import('./commands/keys-rotate.js')).rotate))

  const data = group(root, 'data', 'what the database has of a person')
  json(data.command('export'))
    .description('print everything that the database has of a person, as JSON')
    .requiredOption(...USER)
    .action(run(async () => (await import('./commands/data-export.js')).exportData))
  json(data.command('erase'))
    .description('remove every row that names a person')
    .requiredOption(...USER)
    .option(...YES)
    .action(run(async () => (await import('./commands/data-erase.js')).erase))
  return root
}

const ID = 'its public id, as GET /api/auth/sessions and `sessions list` have it; never a cookie'

const ENVIRONMENT = `
The environment variables are those of the server. Commands on the database need DATABASE_URL alone.
The exit code is 0, or 1 after one line on stderr.`

const CHECK = `
Each line begins with ok, warn or fail, or with ? for what cannot be told. The exit code is 1 if anything failed.`

const REVOKE = `
Name one of them: an id, --user or --email. To lock an account, disable it in Cognito first.`

/** The commands that only have commands. */
export const GROUPS: readonly string[] = ['sessions', 'keys', 'data']

const group = (root: Command, name: string, description: string): Command =>
  root.command(name).description(description).helpCommand(false)

const json = (command: Command): Command => command.option('--json', 'print JSON')

function version (): string {
  const { version } = createRequire(import.meta.url)('cashsouk-auth/package.json') as { version: string }
  return version
}

function wholeNumber (text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 to 9999999.')
  return Number(text)
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** In milliseconds. */
function duration (text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,8})([smhd])$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit]
  if (unitMs === undefined) throw new InvalidArgumentError('It must be such as 45s, 30m, 1h or 2d.')
  return Number(count) * unitMs
}
