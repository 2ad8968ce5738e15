import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { t as file, test, type Test } from 'tap'
import { database, type Database } from '../support/database.js'
import { application } from '../support/packed.js'
import { start } from '../support/process.js'
import { root, rootUrl } from '../support/root.js'

const readme = await readFile(new URL('README.md', rootUrl), 'utf8')
const folder = await application(file)

/** What each example leaves to the reader, before and after it. */
const REST = {
  Express: [
    '',
    `
app.get('/', (request, response) => {
  request.session.views = 1
  response.json({})
})
const server = app.listen(0, '127.0.0.1', () => { console.log('on', server.address().port) })`
  ],
  Fastify: [
    '',
    `
app.get('/', async (request) => {
  request.session.views = 1
  return {}
})
await app.listen({ host: '127.0.0.1', port: 0 })
console.log('on', app.server.address().port)`
  ]
} as const

type Library = keyof typeof REST

/** The rows after one request over plain http with `secure: true`, whose cookie was withheld. */
const ORPHANS: Record<Library, number> = { Express: 1, Fastify: 0 }

/** The example of the README. */
function exampleFor (library: Library): string {
  const [, example] = new RegExp(`^${library}:\n\n\`\`\`js\n(.*?)^\`\`\``, 'ms').exec(readme) ?? []
  if (example === undefined) throw new Error(`README.md has no example for ${library}`)
  return example
}

/** The example of the README as a program. */
function program (library: Library): string {
  const [before, after] = REST[library]
  return [before, exampleFor(library), after].join('\n')
}

/** Runs the example, and returns its address. */
async function running (t: Test, library: Library, db: Database, env: Record<string, string>): Promise<string> {
  const path = join(folder, `${library}.js`)
  await writeFile(path, program(library))
  const example = start(t, process.execPath, [path], {
    env: { PATH: process.env.PATH, DATABASE_URL: db.url, SESSION_SECRET: 's'.repeat(32), ...env }
  })
  const [, port] = await example.seen(/^on (\d+)$/m)
  return `http://127.0.0.1:${port}/`
}

for (const library of Object.keys(REST) as Library[]) {
  test(`The ${library} example of README.md keeps sessions over plain http in development`, async (t) => {
    const db = await database(t)
    const url = await running(t, library, db, {})

    const answer = await fetch(url)
    await answer.text()

    t.equal(answer.status, 200)
    t.equal(answer.headers.getSetCookie().length, 1)
    t.notMatch(answer.headers.getSetCookie()[0], /Secure/)
    t.match(await db.query('SELECT sess FROM session'), [{ sess: { views: 1 } }])
  })

  test(`The ${library} example of README.md keeps sessions behind a proxy that ends TLS`, async (t) => {
    const db = await database(t)
    const url = await running(t, library, db, { NODE_ENV: 'production' })

    const plain = await fetch(url)
    await plain.text()
    t.same([plain.status, plain.headers.getSetCookie()], [200, []])
    const orphans = await db.query('DELETE FROM session RETURNING sid').catch(() => [])
    t.equal(orphans.length, ORPHANS[library])
    const answer = await fetch(url, { headers: { 'x-forwarded-proto': 'https' } })
    await answer.text()

    t.equal(answer.status, 200)
    t.match(answer.headers.getSetCookie(), [/; Secure/])
    t.match(await db.query('SELECT sess FROM session'), [{ sess: { views: 1 } }])
  })

  test(`The ${library} example of README.md survives the loss of its connections`, async (t) => {
    const db = await database(t)
    const url = await running(t, library, db, {})
    await (await fetch(url)).text()

    await db.query(`SELECT pg_terminate_backend(pid)
      FROM pg_stat_activity
      WHERE datname = current_database()
        AND pid <> pg_backend_pid()`)
    await sleep(200)

    t.equal((await fetch(url)).status, 200)
  })
}

test('The examples of README.md compile in TypeScript with strict and exactOptionalPropertyTypes', async (t) => {
  // express-session and @fastify/cookie want a secret that is there.
  await writeFile(join(folder, 'secret.d.ts'), `declare namespace NodeJS {
    interface ProcessEnv { SESSION_SECRET: string }
  }`)
  for (const library of Object.keys(REST) as Library[]) {
    await writeFile(join(folder, `${library}.mts`), exampleFor(library))
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
      types: ['node'],
      preserveSymlinks: true
    },
    files: ['secret.d.ts', 'Express.mts', 'Fastify.mts']
  }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const errors = await promisify(execFile)(process.execPath, [compiler, '-p', folder])
    .then(() => '', ({ stdout }: { stdout: string }) => stdout)
  t.equal(errors, '')
})
