import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { t as file } from 'tap'
import { root } from './root.js'

const execute = promisify(execFile)

/** What a copy of the checkout leaves out. */
const LEFT = new Set(['.git', '.data', 'dist', 'dist-test', 'node_modules', 'findings'])

/** A folder that is removed after the tests of this file. */
export async function temporaryFolder (): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'package-'))
  file.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs a program. Rejects with its output if it fails. */
export async function run (
  program: string, args: string[], { cwd, env = {} }: { cwd: string, env?: Record<string, string> }
): Promise<{ stdout: string, stderr: string }> {
  const options = { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env }, maxBuffer: 64 * 1024 * 1024 }
  return execute(program, args, options).catch((error: unknown) => {
    const { stdout, stderr } = error as { stdout: string, stderr: string }
    throw new Error(stdout + stderr)
  })
}

/** Runs `npm pack` on a copy of the checkout. Returns the path of the file. */
export async function npmPack (): Promise<string> {
  const folder = await temporaryFolder()
  const source = join(folder, 'source')
  await mkdir(source)
  for (const name of await readdir(root)) {
    if (!LEFT.has(name)) await cp(join(root, name), join(source, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(source, 'node_modules'))
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: source })
  return join(folder, stdout.trim())
}

/** Unpacks the file of `npm pack`. Returns the folder of its package.json. */
export async function unpack (tarball: string): Promise<string> {
  const folder = await temporaryFolder()
  await run('tar', ['-xzf', tarball, '-C', folder], { cwd: folder })
  return join(folder, 'package')
}

export interface Manifest {
  version: string
  bin: Record<string, string>
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
  exports: Record<string, unknown>
}

export const manifestOf = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest

/** The entries that hold code, such as `cashsouk-auth/testing`. `isDual`: also as CommonJS. */
export function entriesOf ({ exports }: Manifest): { name: string, path: string, isDual: boolean }[] {
  return Object.entries(exports)
    .filter(([path]) => !path.endsWith('.json'))
    .map(([path, target]) => ({
      name: `cashsouk-auth${path.slice(1)}`, path, isDual: Object.hasOwn(target as object, 'require')
    }))
}
