import { test } from 'tap'
import { browser, reachCallback, signIn } from './support/browser.js'
import { server } from './support/server.js'

test('The log has the expected lines and no secrets, tokens or session ids', async (t) => {
  const setup = await server(t)
  const { url, env, log, cognito, database } = setup
  const user = browser()
  const secrets = new Set<string>(
    [env.SESSION_SECRET, env.COGNITO_CLIENT_SECRET, new URL(env.DATABASE_URL ?? '').password].map(
      String
    )
  )
  const remember = async () => {
    for (const { value } of user.cookies) {
      secrets.add(value)
      for (const part of decodeURIComponent(value).replace(/^s:/, '').split('.')) secrets.add(part)
    }
    for (const { sid, sess } of await database.query('SELECT sid, sess FROM session')) {
      secrets.add(String(sid))
      for (const key of ['state', 'nonce', 'codeVerifier', 'refreshToken']) {
        const value = (sess as Record<string, unknown>)[key]
        if (typeof value === 'string') secrets.add(value)
        const { accessToken } = sess as { accessToken?: { sealed: string } }
        if (accessToken !== undefined) secrets.add(accessToken.sealed)
      }
    }
    for (const { body, headers } of cognito.requests) {
      for (const key of ['code', 'code_verifier', 'token', 'refresh_token']) {
        if (body.has(key)) secrets.add(String(body.get(key)))
      }
      if (headers.authorization !== undefined) secrets.add(headers.authorization.replace('Basic ', ''))
    }
  }

  // The whole way, and everything that can go wrong on it.
  const { callbackUrl } = await reachCallback(user, url, { role: 'ISSUER' })
  await remember()
  await user.get(callbackUrl)
  await remember()
  await user.get(callbackUrl)
  await user.get(`${url}/api/auth/me`)
  await user.get(`${url}/api/auth/nowhere?${new URL(callbackUrl).search.slice(1)}`)
  for (const fault of [
    { token: 'invalid_grant' },
    { token: 500 },
    { token: 'reset' },
    { idToken: 'foreign-key' },
    { jwks: 500 },
    { idToken: 'missing' },
    { revoke: 500 }
  ] as const) {
    const other = await reachCallback(user, url, { role: 'ADMIN' })
    await remember()
    cognito.fault(fault)
    await user.get(other.callbackUrl)
    cognito.fault(undefined)
    await remember()
  }
  await signIn(user, url, { person: 'cancel', query: { prompt: 'login' } })
  await database.query(
    'ALTER TABLE session DROP COLUMN user_sub; ALTER TABLE session ALTER COLUMN sess TYPE text USING repeat(\'x\', 10)'
  )
  await user.get(`${url}/api/auth/me`)
  await user.get(`${url}/api/auth/login`, { redirect: 'manual' })
  await database.query('DROP TABLE session')
  await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })

  const text = log.join('')
  t.match(text, /"msg":"PostgreSQL connection pool initialized for sessions"/)
  t.match(text, /"msg":"Session store configured with PostgreSQL"/)
  t.match(text, /"outcome":"ok","durationMs":\d+,"msg":"Token exchange"/)
  t.match(text, /"outcome":"ERR_LOGIN_REFUSED","durationMs":\d+,"msg":"Token exchange"/)
  t.ok(secrets.size > 30)
  for (const secret of secrets) {
    if (secret.length < 8) continue
    t.notOk(text.includes(secret) || text.includes(encodeURIComponent(secret)), `no ${secret.slice(0, 4)}…`)
  }
  t.notMatch(text, /eyJ[\w-]{10}/, 'no JWT')
})
