/**
 * The server as users reach it, in its two set-ups.
 *
 * @module
 */
import type { QueryResultRow } from 'pg'
import type { Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { cognito, type FaultyCognito } from './cognito.js'
import { database } from './database.js'
import { nginx } from './nginx.js'
import { start } from './process.js'
import { root } from './root.js'
import { server } from './server.js'

export interface Site {
  /** `PUBLIC_URL`. */
  origin: string
  /** A page with a "Sign out" button, to which a login may return; `which` distinguishes several. */
  landing (which: number | string): string
  cognito: FaultyCognito
  databaseUrl: string
  query: (sql: string) => Promise<QueryResultRow[]>
  /** The log of all instances. */
  log: () => string
  /** The switches with which Chromium finds it. */
  args: string[]
}

/** One instance, over http on localhost, with the development page. */
export async function plain (t: Test, env: Record<string, string> = {}): Promise<Site> {
  const { url, database: db, cognito, log } = await server(t, env)
  return {
    origin: url,
    landing: (which) => `${url}/?which=${which}`,
    cognito,
    databaseUrl: db.url,
    query: (sql) => db.query(sql),
    log: () => log.join(''),
    args: []
  }
}

/** Three production instances behind nginx with TLS. The cookie's domain is shared with a portal. */
export async function production (t: Test, env: Record<string, string> = {}): Promise<Site> {
  const [port, ...ports] = [await freePort(), await freePort(), await freePort(), await freePort()] as const
  const [origin, portal] = [`https://auth.cashsouk.test:${port}`, `https://portal.cashsouk.test:${port}`]
  const db = await database(t)
  const pool = await cognito(t, { callbackUrl: `${origin}/api/auth/callback`, logoutUrl: `${portal}/` })
  const instances = ports.map((PORT) =>
    start(t, process.execPath, ['dist/src/server.js'], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        PORT: String(PORT),
        PUBLIC_URL: origin,
        DATABASE_URL: db.url,
        SESSION_SECRET: 'a secret of a test and of nothing else',
        COOKIE_DOMAIN: 'cashsouk.test',
        TRUST_PROXY: '127.0.0.1',
        LOGIN_RATE_LIMIT: '1000',
        RETURN_ORIGINS: portal,
        LOGOUT_URL: `${portal}/`,
        ...pool.env,
        ...env
      }
    })
  )
  await Promise.all(instances.map((instance) => instance.seen(/"ready on/)))
  await nginx(t, {
    port,
    names: ['auth.cashsouk.test', 'portal.cashsouk.test'],
    instances: ports,
    page: `<!doctype html><title>Portal</title>
      <form method="post" action="${origin}/api/auth/logout"><button>Sign out</button></form>`
  })
  return {
    origin,
    landing: (which) => `${portal}/?which=${which}`,
    cognito: pool,
    databaseUrl: db.url,
    query: (sql) => db.query(sql),
    log: () => instances.map(({ stdout }) => stdout()).join(''),
    args: [
      '--ignore-certificate-errors',
      '--no-proxy-server',
      '--host-resolver-rules=MAP *.cashsouk.test 127.0.0.1'
    ]
  }
}
