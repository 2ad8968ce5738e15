/**
 * Preloaded into a server, counts its hashes per HTTP request, and writes the number to `HASHES_FILE` at exit.
 * The first `HASHES_SKIP` requests do not count, because they fill caches.
 *
 * @module
 */
import crypto from 'node:crypto'
import diagnostics from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { requiredEnv } from './serve.js'

const file = requiredEnv('HASHES_FILE')
const skip = Number(requiredEnv('HASHES_SKIP'))
let hashes = 0
let requests = 0

const { createHash, hash } = crypto
Object.assign(crypto, {
  createHash (...args: Parameters<typeof createHash>) {
    hashes++
    return createHash(...args)
  },
  hash (...args: Parameters<typeof hash>) {
    hashes++
    return hash(...args)
  }
})
syncBuiltinESMExports()

diagnostics.subscribe('http.server.request.start', () => {
  requests++
  if (requests === skip) hashes = 0
})
process.on('exit', () => { writeFileSync(file, String(hashes / (requests - skip))) })
