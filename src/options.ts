/**
 * The options of the package for an application: the variables under their names in camelCase, with natural types.
 *
 * @module
 */
import { loadConfig, type Config } from './config.js'
import { ERR_CONFIG } from './errors.js'
import { nearest } from './sessions/nearest.js'
import { variables, type Problem } from './variables.js'

/** Those of the process alone. An application listens, logs and trusts proxies itself. */
const OF_THE_PROCESS = ['NODE_ENV', 'HOST', 'PORT', 'LOG_LEVEL', 'TRUST_PROXY', 'DRAIN_SECONDS'] as const
/** Lists of pairs: an option is an object. */
const PAIRS = ['ROLE_LABELS', 'ROLE_MAP', 'HOME_URL'] as const
/** A number, or a list of pairs with numbers: an option is either. */
const NUMBERS = ['SESSION_LIMIT'] as const
/** Lists that are separated by spaces. */
const SPACED = ['COGNITO_SCOPES'] as const

type Name = Exclude<keyof typeof variables, typeof OF_THE_PROCESS[number]>

type Camel<Text extends string> = Text extends `${infer First}_${infer Rest}`
  ? `${Lowercase<First>}${Capitalize<Camel<Rest>>}`
  : Lowercase<Text>

interface ValueOf { integer: number, boolean: boolean, string: string }

type OptionOf<N extends Name> =
  | (N extends typeof PAIRS[number] ? Readonly<Record<string, string>> : never)
  | (N extends typeof NUMBERS[number] ? number | Readonly<Record<string, number>> : never)
  | (N extends typeof SPACED[number] ? readonly string[] : never)
  | (typeof variables[N] extends { separator: string }
    ? readonly string[] | string
    : ValueOf[typeof variables[N]['type']])

/** An option for each variable but those of the process: `SESSION_TTL` is `sessionTtl`. */
export type VariableOptions = { readonly [N in Name as Camel<N>]?: OptionOf<N> | undefined }

export interface Environment {
  /** Where options that are not given are read from. Default `process.env`; `false`: nowhere. */
  env?: NodeJS.ProcessEnv | false | undefined
}

const camel = (name: string): string =>
  name.toLowerCase().replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())

const names = Object.keys(variables).filter((name) => !(OF_THE_PROCESS as readonly string[]).includes(name))
const byOption = new Map(names.map((name) => [camel(name), name]))
const ofTheProcess = new Map(OF_THE_PROCESS.map((name) => [camel(name), name]))

/**
 * The configuration of an application: its options, and the environment for those that it does not give.
 *
 * @param given options by name. Those that are not named as variables are `others`.
 * @param rules `prefix` of the routes; `ownPool`, if there is one.
 * @throws {ERR_CONFIG} with a line for every option that is unknown, missing or malformed.
 */
export function configOf (
  given: Readonly<Record<string, unknown>>,
  { prefix, ownPool, others }: { prefix: string, ownPool: boolean, others: readonly string[] }
): Config {
  const { env = process.env } = given as Environment
  const options = Object.entries(given).filter(([name, value]) => value !== undefined && !others.includes(name))
  const problems = options.flatMap(([name]) => unknownOption(name, others))
  const values: Record<string, string | undefined> = env === false ? {} : { ...env }
  // An option comes before its variable, and before the one that names a file.
  for (const name of new Set(options.flatMap(([option]) => bothForms(byOption.get(option) ?? '')))) delete values[name]
  for (const [option, value] of options) {
    const name = byOption.get(option)
    if (name === undefined) continue
    const text = asText(name, value)
    if (typeof text === 'string') values[name] = text
    else problems.push({ name: option, reason: text.reason })
  }
  const lines = problems.map(({ name, reason }) => `${name} ${reason}`)
  const wrong = new Set(problems.map(({ name }) => name))
  return withLines(lines, wrong, () => loadConfig(values, { prefix, ownPool, naming }))
}

/** A variable, and the one that names a file with its value, or the other way round. */
const bothForms = (name: string): string[] => [name, name.endsWith('_FILE') ? name.slice(0, -5) : `${name}_FILE`]

/** Whether a line is about one option alone. */
const isOfOne = (line: string): boolean => /^\w+ (is missing|must be)/.test(line)

/**
 * The configuration, unless there are problems: then these, and which other options are missing or malformed. What
 * contradicts an option is not told, because it may be one of those that are wrong.
 */
function withLines (lines: readonly string[], wrong: ReadonlySet<string>, load: () => Config): Config {
  let config: Config
  try {
    config = load()
  } catch (error) {
    if (!(error instanceof ERR_CONFIG)) throw error
    const further = error.message.split('\n').slice(1)
      .filter((line) => lines.length === 0 || (isOfOne(line) && !wrong.has(line.split(' ')[0] ?? '')))
    throw new ERR_CONFIG([...lines, ...further].join('\n'))
  }
  if (lines.length > 0) throw new ERR_CONFIG(lines.join('\n'))
  return config
}

function unknownOption (option: string, others: readonly string[]): Problem[] {
  if (byOption.has(option)) return []
  if (ofTheProcess.has(option)) {
    return [{ name: option, reason: 'is no option of the plugin: the application decides it' }]
  }
  const found = byOption.has(camel(option)) ? camel(option) : nearest(option, [...byOption.keys(), ...others])
  const hint = found === undefined ? '' : `: did you mean ${found}?`
  return [{ name: option, reason: `is no option of the plugin${hint}` }]
}

/** A line about variables, as one about options. */
const naming = (line: string): string =>
  line.replaceAll(/(?<![\w/.-])[A-Z][A-Z_]+\b/g, (word) => names.includes(word) ? camel(word) : word)

/** An option's value as its variable has it. */
function asText (name: string, value: unknown): string | { reason: string } {
  const schema = variables[name as Name]
  const isList = 'separator' in schema
  const isPairs = (PAIRS as readonly string[]).includes(name)
  const isNumbers = (NUMBERS as readonly string[]).includes(name)
  const isSpaced = (SPACED as readonly string[]).includes(name)
  if (schema.type !== 'string') {
    const expected = schema.type === 'integer' ? 'number' : 'boolean'
    return typeof value === expected ? String(value) : { reason: `must be a ${expected}: ${schema.description}` }
  }
  if (typeof value === 'string' || (isNumbers && typeof value === 'number')) return String(value)
  if (Array.isArray(value) && (isList || isSpaced)) return joined(value, isSpaced ? ' ' : ',')
  if (isPairs && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const pairs = Object.entries(value).map(([key, item]: [string, unknown]) =>
      typeof item === 'string' ? `${key}=${item}` : item)
    return joined(pairs, ',')
  }
  if (isNumbers && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).map(([role, limit]) => `${role}=${String(limit)}`).join(',')
  }
  return { reason: `must be ${expectation({ isList, isNumbers, isPairs, isSpaced })}: ${schema.description}` }
}

function joined (items: readonly unknown[], separator: string): string | { reason: string } {
  if (!items.every((item) => typeof item === 'string')) return { reason: 'must hold strings alone' }
  if (items.some((item) => item.includes(separator))) {
    return { reason: `must not have "${separator}" in an item: it separates them in the variable` }
  }
  return items.join(separator)
}

function expectation (
  { isList, isNumbers, isPairs, isSpaced }: Record<'isList' | 'isNumbers' | 'isPairs' | 'isSpaced', boolean>
): string {
  if (isNumbers) return 'a number, or an object whose values are numbers'
  if (isPairs) return 'an object whose values are strings'
  return isList || isSpaced ? 'an array of strings' : 'a string'
}
