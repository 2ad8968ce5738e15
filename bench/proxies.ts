/**
 * `npm run bench:proxies`: a static page behind nginx with `GET /api/auth/verify`, beside Apache with
 * mod_auth_openidc, whose session cache is in Redis. Each is also measured with an open page, so that the
 * cost of the guard is told apart from that of the web server. Needs Debian's nginx, apache2,
 * libapache2-mod-auth-openidc and redis-server.
 *
 *     npm run bench:proxies -- [rounds] [seconds]
 *
 * @module
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../local/free-port.js'
import { startDatabase } from './database.js'
import { Connection, get } from './load/connection.js'
import { cookiesOf } from './load/users.js'
import { machine, onContestantsCore, placement, stayOffContestantsCore } from './machine.js'
import { startLoadGenerator, startServer } from './processes.js'
import { startRedis } from './redis.js'
import { productionSettings } from './servers/settings.js'
import { median } from './statistics.js'

const CONNECTIONS = 16
const WARM_UP_S = 1
const OPEN_LOCATION = `  location /open/ {
    auth_request off;
    alias ../www/files/;
  }

  location / {`
const PAGE = 'Files for investors'
const root = fileURLToPath(new URL('../..', import.meta.url))

const [rounds = 5, seconds = 4] = process.argv.slice(2).map(Number)

interface Contestant { name: string, port: number, guarded: string, open: string, cookies: string[] }

const closers: (() => Promise<void>)[] = []

/** A process on the contestants' core until the end. */
async function serve (command: string, args: string[], env: NodeJS.ProcessEnv, port: number): Promise<void> {
  const [program, programArgs] = onContestantsCore(command, args)
  const child: ChildProcess = spawn(program, programArgs, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  closers.push(async () => {
    if (child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill()
    await ended
  })
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`${command} has exited with ${child.exitCode}`)
    const socket = connect(port, '127.0.0.1')
    const isThere = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (isThere) return
    await sleep(50)
  }
  throw new Error(`${command} does not listen`)
}

/** Signs in at the stub of Cognito, which takes the nonce for the code. */
async function signIn (port: number, start: string, callback: string): Promise<string> {
  const connection = new Connection(port)
  const ask = (path: string, cookie?: string) =>
    connection.send(get(path, cookie).replace(/\r\nhost: [^\r]*/i, `\r\nHost: localhost:${port}\r\nAccept: */*`))
  try {
    const login = await ask(start)
    const target = new URL(/\r\nlocation: (\S+)/i.exec(login.head)?.[1] ?? 'http://nowhere.invalid')
    const { state = '', nonce = '' } = Object.fromEntries(target.searchParams)
    const query = new URLSearchParams({ code: nonce, state }).toString()
    const done = await ask(`${callback}?${query}`, cookiesOf(login.head))
    if (done.status !== 302 && done.status !== 303) throw new Error(`sign-in: ${done.status} ${done.body}`)
    return cookiesOf(done.head)
  } finally {
    connection.close()
  }
}

async function withNginx (folder: string, databaseUrl: string, providerUrl: string): Promise<Contestant> {
  const [port, auth] = [await freePort(), await freePort()]
  await serve(process.execPath, [join(root, 'dist/src/server.js')], {
    PATH: process.env.PATH,
    ...productionSettings(databaseUrl, providerUrl),
    PORT: String(auth),
    PUBLIC_URL: `http://localhost:${port}`,
    TRUST_PROXY: '127.0.0.1',
    COOKIE_LIFETIME: 'absolute'
  }, auth)
  await cp(join(root, 'examples/nginx'), join(folder, 'nginx'), { recursive: true })
  const file = join(folder, 'nginx/portal.conf')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${auth}`)
    .replace('  location / {', OPEN_LOCATION))
  const prefix = join(folder, 'nginx')
  const main = join(prefix, 'nginx.conf')
  // The load generator keeps its connections, as MaxKeepAliveRequests 0 lets it with Apache.
  const setUp = await readFile(main, 'utf8')
  await writeFile(main, setUp.replace('access_log off;', 'access_log off;\n  keepalive_requests 1000000000;'))
  const args = ['-p', prefix, '-c', main, '-e', 'stderr']
  await serve('/usr/sbin/nginx', args, { PATH: process.env.PATH }, port)
  const cookies: string[] = []
  for (let i = 0; i < CONNECTIONS; i++) {
    cookies.push(await signIn(port, '/api/auth/login', '/api/auth/callback'))
  }
  return { name: 'nginx + verify', port, guarded: '/files/index.html', open: '/open/index.html', cookies }
}

async function withApache (folder: string, redisUrl: string, providerUrl: string): Promise<Contestant> {
  const port = await freePort()
  const dir = join(folder, 'apache')
  await mkdir(dir)
  await chmod(dir, 0o777)
  const modules = [
    'mpm_event', 'authn_core', 'authz_core', 'authz_user', 'mime', 'alias', 'dir', 'auth_openidc'
  ].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  await writeFile(join(dir, 'apache.conf'), `${modules.join('\n')}
ServerRoot ${dir}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${dir}/apache.pid
DefaultRuntimeDir ${dir}
ErrorLog ${dir}/error.log
User www-data
Group www-data
TypesConfig /etc/mime.types
KeepAlive On
MaxKeepAliveRequests 0
DocumentRoot ${folder}/www
Alias /open ${folder}/www/files
<Directory ${folder}/www>
  Require all granted
</Directory>
OIDCProviderMetadataURL ${providerUrl}/pool/.well-known/openid-configuration
OIDCClientID client
OIDCClientSecret secret
OIDCRedirectURI http://localhost:${port}/redirect
OIDCCryptoPassphrase a-passphrase-of-the-benchmark
OIDCSessionType server-cache
OIDCCacheType redis
OIDCRedisCacheServer ${redisUrl.replace('redis://', '')}
<Location /files>
  AuthType openid-connect
  Require valid-user
</Location>
<Location /redirect>
  AuthType openid-connect
  Require valid-user
</Location>
`)
  await serve('/usr/sbin/apache2', ['-f', join(dir, 'apache.conf'), '-DFOREGROUND'], { PATH: process.env.PATH }, port)
  const cookies: string[] = []
  for (let i = 0; i < CONNECTIONS; i++) {
    cookies.push(await signIn(port, '/files/index.html', '/redirect'))
  }
  return { name: 'Apache + mod_auth_openidc', port, guarded: '/files/index.html', open: '/open/index.html', cookies }
}

const version = (command: string, pattern: RegExp, ...args: string[]): string => {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return pattern.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? 'unknown'
}

async function main (): Promise<void> {
  stayOffContestantsCore()
  const folder = await mkdtemp(join(tmpdir(), 'cashsouk-auth-proxies-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  await cp(join(root, 'examples/www'), join(folder, 'www'), { recursive: true })
  const database = await startDatabase(folder)
  closers.push(() => database.close())
  const redis = await startRedis(folder, false)
  if (redis === undefined) throw new Error('redis-server is not installed')
  closers.push(() => redis.close())
  const load = await startLoadGenerator()
  closers.push(() => load.close())
  const provider = await startServer('provider', {}, { alone: false })
  closers.push(() => provider.close())
  const providerUrl = `http://localhost:${provider.port}`
  const table = await database.create()
  closers.push(() => table.close())
  const contestants = [
    await withNginx(folder, table.url, providerUrl), await withApache(folder, redis.url, providerUrl)
  ]
  const rates = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++) {
    for (const { name, port, guarded, open, cookies } of contestants) {
      for (const [what, path] of [['guarded', guarded], ['open', open]] as const) {
        const plan = { kind: 'get', path, cookies, expected: cookies.map(() => PAGE), setsCookie: false } as const
        const measured = await load.run(
          { port, connections: CONNECTIONS, plan, warmUp: WARM_UP_S, seconds }, { begun: () => {}, ended: () => {} }
        )
        const key = `${name}, ${what}`
        rates.set(key, [...rates.get(key) ?? [], measured.requests / measured.seconds])
      }
    }
  }
  print(rates, redis.version, database.version)
}

function print (rates: Map<string, number[]>, redis: string, postgres: string): void {
  const lines = [...rates].map(([name, values]) => `| ${name} | ${Math.round(median(values))} | ` +
    `${values.map((value) => Math.round(value)).join(' ')} |`)
  const [ours = [], , theirs = []] = [...rates.values()]
  const ratios = ours.map((value, round) => value / (theirs[round] ?? NaN))
  const versions = [
    `nginx ${version('/usr/sbin/nginx', /nginx\/(\S+)/, '-v')}`,
    `Apache ${version('/usr/sbin/apache2', /Apache\/(\S+)/, '-v')}`,
    `mod_auth_openidc ${version('dpkg-query', /(\S+)/, '-W', '-f', '${Version}', 'libapache2-mod-auth-openidc')}`,
    `Redis ${redis}`, `PostgreSQL ${postgres}`, `Node.js ${process.versions.node}`
  ]
  process.stdout.write(`| page | requests/s, median | rounds |
| --- | --- | --- |
${lines.join('\n')}

nginx + verify, guarded, is ${median(ratios).toFixed(2)} × Apache + mod_auth_openidc, guarded
(${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}).
${CONNECTIONS} connections, as many sessions, ${rounds} rounds of ${seconds} s. ${machine.cores} cores; ${placement}.
${versions.join(', ')}.
`)
}

try {
  await main()
} finally {
  for (const close of closers.reverse()) await close().catch((error: unknown) => { console.error(error) })
}
