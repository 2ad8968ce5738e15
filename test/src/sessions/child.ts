/**
 * A process that runs one function of scenarios.ts. `inProcess` of harness.ts starts it.
 *
 * @module
 */
import * as scenarios from './scenarios.js'

const [name = '', args = '{}'] = process.argv.slice(2)
const scenario = scenarios[name as keyof typeof scenarios] as (args: unknown) => Promise<unknown>
console.log(JSON.stringify(await scenario(JSON.parse(args))))
