#!/usr/bin/env bash
# What one would expect: `const { pino } = await import('pino')` gives the same in a bundle as in Node.js, which finds
# the named exports of a CommonJS package, and `splitting` of esbuild only decides how many files the bundle has.
#
# What happens with esbuild 0.28.2 and pino 10.4.0: without `splitting` the name is there. With it, the package gets a
# chunk of its own that has a default export alone, so that the name is undefined, without a warning. A module between
# them that exports the name statically (`export { pino } from 'pino'`) keeps it.
#
# expected:
# node: function
# one file: function
# splitting: undefined
# splitting, by a module between: function
# end
. "$(dirname "$0")/lib.sh"
install esbuild@0.28.2 pino@10.4.0
run <<'JS'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { build } from 'esbuild'
writeFileSync('plain.mjs', 'const { pino } = await import(\'pino\'); console.log(typeof pino)')
writeFileSync('between.mjs', 'export { pino } from \'pino\'')
writeFileSync('by-between.mjs', 'const { pino } = await import(\'./between.mjs\'); console.log(typeof pino)')
const js = 'import { createRequire as c } from \'node:module\'; const require = c(import.meta.url)'
const bundled = async (file, splitting) => {
  const outdir = `out-${file}-${splitting}`
  await build({
    entryPoints: [file], outdir, bundle: true, format: 'esm', platform: 'node', splitting, banner: { js },
    outExtension: { '.js': '.mjs' }
  })
  return execFileSync(process.execPath, [`${outdir}/${file}`], { encoding: 'utf8' }).trim()
}
console.log(`node: ${execFileSync(process.execPath, ['plain.mjs'], { encoding: 'utf8' }).trim()}`)
console.log(`one file: ${await bundled('plain.mjs', false)}`)
console.log(`splitting: ${await bundled('plain.mjs', true)}`)
console.log(`splitting, by a module between: ${await bundled('by-between.mjs', true)}`)
JS
