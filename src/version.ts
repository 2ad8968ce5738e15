import { readFileSync } from 'node:fs'

/** Of this package: package.json is beside `dist`, or in the folder of the source. */
export function version (): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8')
      const { name, version } = JSON.parse(text) as { name?: string, version?: string }
      if (name === 'cashsouk-auth' && version !== undefined) return version
    } catch { // not there
    }
  }
  return 'unknown'
}
