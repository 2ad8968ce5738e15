import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { listening, start, type RunningProcess } from './process.js'

/** Debian's package, which is on the PATH of root only. */
const EXECUTABLE = process.env.NGINX ?? '/usr/sbin/nginx'

export interface NginxOptions {
  port: number
  /** The server names, over TLS with a certificate made for the test. */
  names: string[]
  /** The ports of the instances, used round robin for `/api/` and `/health`. */
  instances: number[]
  /** The HTML of `/`, which browsers may not store. */
  page: string
}

/** nginx as a load balancer that terminates TLS: one process on loopback, in its own folder. */
export async function nginx (t: Test, options: NginxOptions): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'nginx-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await mkdir(join(dir, 'www'))
  await writeFile(join(dir, 'www/index.html'), options.page)
  await writeFile(join(dir, 'nginx.conf'), configuration(dir, options))
  const certificate = start(t, 'openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1',
    '-subj', `/CN=${options.names[0]}`,
    '-addext', `subjectAltName=${options.names.map((name) => `DNS:${name}`).join(',')}`,
    '-keyout', join(dir, 'key.pem'), '-out', join(dir, 'certificate.pem')
  ])
  if (await certificate.ended !== 0) throw new Error(certificate.stderr())
  await runNginx(t, dir, options.port)
}

/** Runs nginx with `dir/nginx.conf`, to which relative paths of the configuration refer, until the end of the test. */
export async function runNginx (t: Test, dir: string, port: number): Promise<RunningProcess> {
  const server = start(t, EXECUTABLE, ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'])
  await listening(server, port)
  return server
}

/** As docs/operations.md requires: no sticky sessions, and `X-Forwarded-*` headers of its own. */
const configuration = (dir: string, { port, names, instances }: NginxOptions): string => `
daemon off; master_process off; pid ${dir}/nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  types { text/html html; }
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  upstream instances { ${instances.map((instance) => `server 127.0.0.1:${instance};`).join(' ')} }
  server {
    listen 127.0.0.1:${port} ssl http2;
    server_name ${names.join(' ')};
    ssl_certificate ${dir}/certificate.pem; ssl_certificate_key ${dir}/key.pem;
    location / { root ${dir}/www; add_header Cache-Control no-store; }
    location ~ ^/(api|health) {
      proxy_pass http://instances;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection '';
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }
  }
}
`
