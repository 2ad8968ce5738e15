import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const PACKAGES = [
  'express', 'express-session', 'fastify', '@fastify/session', '@fastify/cookie',
  'connect-pg-simple', 'connect-redis', 'redis', 'openid-client', 'express-openid-connect', 'pg'
]

/** Versions of the compared packages as they are installed. */
export async function packageVersions (): Promise<Record<string, string>> {
  const versions = PACKAGES.map(async (name): Promise<[string, string]> => [name, await versionOf(name)])
  return Object.fromEntries(await Promise.all(versions))
}

async function versionOf (name: string): Promise<string> {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const folder of folders) {
    const text = await readFile(join(folder, name, 'package.json'), 'utf8').catch(() => undefined)
    if (text !== undefined) return (JSON.parse(text) as { version: string }).version
  }
  return 'unknown'
}
