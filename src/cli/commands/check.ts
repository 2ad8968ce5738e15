import { CommandError } from '../failure.js'
import { checkCognito } from '../check/cognito.js'
import { checkDatabase } from '../check/database.js'
import type { Finding } from '../check/finding.js'
import { checkVariables } from '../check/variables.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { coloured, shown, type Colour, type Terminal } from '../terminal.js'
import { counted } from '../words.js'

/** `check` */
export const check: Action = async (terminal, { json = false, instances = 1 }) => {
  const { findings: variables, known } = checkVariables(terminal.env)
  const { databaseUrl, poolMax, cognito } = known
  const [database, provider] = await Promise.all([
    databaseUrl === undefined ? [] : checkDatabase(databaseUrl, terminal.env, { poolMax, instances }),
    checkCognito(cognito)
  ])
  const findings = [...variables, ...database, ...provider]
  const failed = findings.filter(({ status }) => status === 'fail').length
  output(terminal, json, { ok: failed === 0, findings }, () => text(terminal, findings))
  if (failed > 0) throw new CommandError(`${failed} of ${counted(findings.length, 'check')} failed`)
}

const MARKS: Readonly<Record<Finding['status'], [mark: string, colour: Colour]>> = {
  ok: ['ok', 'green'], warn: ['warn', 'yellow'], fail: ['fail', 'red'], unknown: ['?', 'dim']
}

function text (terminal: Terminal, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length))
  return findings.map(({ status, name, message, advice }) => {
    const [mark, colour] = MARKS[status]
    const line = `${name.padEnd(width)}  ${advice === undefined ? message : `${message}: ${advice}`}`
    return `${coloured(terminal, colour, mark.padEnd(4))}  ${shown(line)}\n`
  }).join('')
}
