import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask } from './http.js'
import { hasEnded, start, stop, until } from './processes.js'

const EXECUTABLE = process.env.NGINX ?? '/usr/sbin/nginx'
const CONFIGURATION = fileURLToPath(new URL('../../deploy/nginx.conf', import.meta.url))

/**
 * deploy/nginx.conf in front of instances, with what a machine of its own has replaced: paths, user, addresses, and
 * plain http on loopback instead of TLS.
 */
export async function startNginx (
  folder: string, port: number, instances: number[]
): Promise<{ close: () => Promise<void> }> {
  const dir = join(folder, 'nginx')
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'nginx.conf'), configuration(dir, port, instances))
  const { child, log } = start(EXECUTABLE, ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'], { cwd: dir })
  await until('nginx starts', async () => {
    if (hasEnded(child)) throw new Error(`nginx has ended: ${log()}`)
    return await ask(`http://127.0.0.1:${port}/health/live`).then(() => true, () => false)
  })
  return { close: () => closed(child) }
}

const closed = (child: ChildProcess): Promise<void> => stop(child, 'SIGTERM')

function configuration (dir: string, port: number, instances: number[]): string {
  const published = readFileSync(CONFIGURATION, 'utf8')
  const [, redirectToTls = ''] = /(\n {2}server \{\n {4}listen 80;[\s\S]*?\n {2}\}\n)/.exec(published) ?? []
  return `daemon off; master_process off;\n${published
    .replace(redirectToTls, '')
    .replace(/^user .*\n|^worker_processes .*\n|^worker_rlimit_nofile .*\n/gm, '')
    .replace('/run/nginx.pid', `${dir}/nginx.pid`)
    .replaceAll('/var/log/nginx/', `${dir}/`)
    .replace('http {', `http {
  client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;`)
    .replace(/ 127\.0\.0\.1:300([123]) /g, (_, n: string) => ` 127.0.0.1:${instances[Number(n) - 1] ?? NaN} `)
    .replace(/ {4}listen 443 ssl http2;/, `    listen 127.0.0.1:${port};`)
    .replace(/^ {4}ssl_.*\n/gm, '')
    .replaceAll('X-Forwarded-Proto https', 'X-Forwarded-Proto http')
    .replaceAll('auth.example.com', 'localhost')}`
}
