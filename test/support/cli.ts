import { PassThrough } from 'node:stream'
import { main } from '../../src/cli/main.js'

export interface Ran {
  code: number
  stdout: string
  stderr: string
  /** What stdout has, as JSON. */
  json: <Value>() => Value
}

export interface CliOptions {
  env?: NodeJS.ProcessEnv
  /** Whether the three streams are a terminal. */
  isTerminal?: boolean
  /** What is typed. */
  input?: string
  interrupted?: AbortSignal
}

/** Runs a command of the operator's command line in this process. */
export async function cli (args: readonly string[], options: CliOptions = {}): Promise<Ran> {
  const { env = {}, isTerminal = false, input, interrupted = new AbortController().signal } = options
  const stream = () => Object.assign(new PassThrough(), isTerminal ? { isTTY: true } : {})
  const [stdin, stdout, stderr] = [stream(), stream(), stream()]
  if (input !== undefined) stdin.end(input)
  const texts = [collected(stdout), collected(stderr)]
  const code = await main(args, { stdin, stdout, stderr, env, interrupted })
  const [out = '', err = ''] = texts.map((text) => text())
  return { code, stdout: out, stderr: err, json: <Value>() => JSON.parse(out) as Value }
}

function collected (stream: PassThrough): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  return () => {
    for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  }
}
