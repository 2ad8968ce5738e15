import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A self-signed certificate for `host`, and the file that it is in. */
export function certificate (t: Test, host: string) {
  const folder = t.testdir()
  const [keyFile, file] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`, '-keyout', keyFile, '-out', file
  ], { stdio: 'ignore' })
  return { key: readFileSync(keyFile), cert: readFileSync(file), file }
}
