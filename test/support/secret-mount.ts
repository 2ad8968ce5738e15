import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

export interface SecretMount {
  /** The path of a secret, which stays the same. */
  path (name: string): string
  /** Replaces all files at once. Those that are not given stay as they are. */
  write (files: Record<string, string>): void
}

/**
 * A folder as Kubernetes mounts a secret: each file is a link into `..data`, which is a link to the folder that has
 * the files, and a change replaces that link.
 *
 * @see {@link https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go}
 */
export function secretMount (t: Test, first: Record<string, string>): SecretMount {
  const folder = t.testdir()
  let all: Record<string, string> = {}
  let version = 0
  const write = (files: Record<string, string>): void => {
    const former = `..${version}`
    all = { ...all, ...files }
    const next = `..${++version}`
    mkdirSync(join(folder, next))
    for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, next, name), text)
    symlinkSync(next, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    rmSync(join(folder, former), { recursive: true, force: true })
  }
  write(first)
  for (const name of Object.keys(first)) symlinkSync(join('..data', name), join(folder, name))
  return { path: (name) => join(folder, name), write }
}
