import { t as file, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { Browser, type Page } from './browser.js'
import { database } from './database.js'
import { misbehavingProvider, type MisbehavingProvider } from './misbehaving-provider.js'
import { instance, NOT_ENDS } from './server.js'

/** The whole server, listening, with a provider that misbehaves on demand. */
export class RelyingParty {
  readonly url: string
  readonly provider: MisbehavingProvider
  readonly database: Awaited<ReturnType<typeof database>>
  /** The log lines so far, at every level. */
  readonly log: string[]

  constructor (url: string, provider: MisbehavingProvider, db: RelyingParty['database'], log: string[]) {
    this.url = url
    this.provider = provider
    this.database = db
    this.log = log
  }

  /** Starts a login and returns the callback's URL, before it is requested. */
  async reachCallback (user: Browser): Promise<string> {
    const login = await user.get(`${this.url}/api/auth/login`, { redirect: 'manual' })
    const authorize = await user.get(login.location ?? '', { redirect: 'manual' })
    return authorize.location ?? ''
  }

  /** Requests the callback's URL. `code` is that of the error, or undefined. */
  async finish (user: Browser, callbackUrl: string): Promise<Outcome> {
    const began = performance.now()
    const page = await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })
    const code = page.status >= 400 ? (JSON.parse(page.text) as { code: string }).code : undefined
    return { status: page.status, code, page, tookMs: performance.now() - began }
  }

  async signIn (user = new Browser()): Promise<Outcome> {
    return this.finish(user, await this.reachCallback(user))
  }

  /** The rows of the session table, without those that say why a session ended. */
  async rows (): Promise<{ sid: string, sess: Record<string, unknown> }[]> {
    return (await this.database.query(`SELECT sid, sess FROM session WHERE ${NOT_ENDS}`)) as {
      sid: string
      sess: Record<string, unknown>
    }[]
  }

  /**
   * Asserts that a refused login left no row, no cookie and no session; or a sign-out nothing but the cookie that
   * says so.
   */
  async leftNothing (t: Test, user: Browser, { signedOut = false } = {}): Promise<void> {
    t.same(await this.rows(), [], 'no row is left')
    const names = user.cookies.map(({ name }) => name).filter((name) => !name.includes('.login.'))
    t.same(names, signedOut ? ['cashsouk.sid.signed-out'] : [], 'no cookie is left')
    t.equal((await user.get(`${this.url}/api/auth/me`)).status, 401, 'the user is not signed in')
  }
}

export interface Outcome { status: number, code: string | undefined, page: Page, tookMs: number }

export async function relyingParty (t: Test, overrides: Record<string, string> = {}): Promise<RelyingParty> {
  const [db, provider] = [await database(t), await misbehavingProvider(t)]
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const url = `http://localhost:${port}`
    try {
      const { log } = await instance(t, {
        PORT: String(port),
        PUBLIC_URL: url,
        DATABASE_URL: db.url,
        SESSION_SECRET: 'a secret of a test and of nothing else',
        LOG_LEVEL: 'trace',
        LOGIN_RATE_LIMIT: '0',
        ...provider.env,
        ...overrides
      })
      return new RelyingParty(url, provider, db, log)
    } catch (error) {
      // Another process may have taken the port meanwhile.
      if ((error as { code?: string }).code !== 'EADDRINUSE' || attempt === 5) throw error
    }
  }
}

let shared: Promise<RelyingParty> | undefined

/**
 * One party for all tests. Each test finds it without rows, recorded requests and log lines, with a provider that
 * behaves. Not for tests that stop something, count connections or key requests, or change the key set.
 */
export async function sharedParty (): Promise<RelyingParty> {
  const party = await (shared ??= relyingParty(file))
  party.provider.behaviour = {}
  party.provider.requests.length = 0
  party.log.length = 0
  await party.database.query('DELETE FROM session')
  return party
}
