import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { SignJWT, UnsecuredJWT } from 'jose'
import type { Test } from 'tap'
import { Assertions, type AssertedSession } from '../../src/assertion/assertions.js'
import { newSigningKey } from '../../src/assertion/signing-key.js'
import { SigningKeys } from '../../src/assertion/signing-keys.js'
import { browser, signIn } from './browser.js'
import { rootUrl } from './root.js'
import { server } from './server.js'

/** Runs an upstream of examples/assertion: `assertion` is the header of a request, or the lines of several. */
async function upstream (
  t: Test, command: string, args: string[], env: Record<string, string>
): Promise<(assertion?: string | string[]) => Promise<{ status: number, text: string }>> {
  const child = spawn(command, args, {
    cwd: fileURLToPath(new URL('examples/assertion/', rootUrl)),
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]) as [Buffer | number | null]
  if (!Buffer.isBuffer(line)) throw new Error(`${command} ended with ${line}`)
  return async (assertion) => {
    const headers = new Headers()
    for (const value of [assertion ?? []].flat()) headers.append('x-auth-assertion', value)
    const response = await fetch(line.toString().trim(), { headers })
    return { status: response.status, text: await response.text() }
  }
}

/** Sends valid and invalid assertions of a real server to an upstream of examples/assertion. */
export async function checkUpstream (t: Test, command: string, args: string[]): Promise<void> {
  const { url, env, fastify } = await server(t)
  const user = browser()
  await signIn(user, url)
  const audience = 'https://investor.example.com'
  const ask = await upstream(t, command, args, { AUTH_URL: url, AUDIENCE: audience })
  const verified = (query: string) => user.get(`${url}/api/auth/verify${query}`)

  const { headers } = await verified(`?audience=${audience}`)
  const good = headers.get('x-auth-assertion') ?? ''
  const accepted = await ask(good)
  t.equal(accepted.status, 200)
  t.match(JSON.parse(accepted.text), {
    iss: url, aud: audience, sub: headers.get('x-auth-user') ?? '', sid: headers.get('x-auth-session') ?? ''
  })

  const now = Date.now()
  const session: AssertedSession = {
    publicId: 'x', user: { sub: 'mallory' }, databaseNow: now, expiresAt: now + 900_000
  }
  const keys = new SigningKeys(fastify.cashsoukAuth.sessionStore, [env.SESSION_SECRET ?? ''])
  const own = new Assertions(keys, url)
  const { kid } = (await keys.signer(now)).publicJwk
  const foreignKey = await newSigningKey(0)
  const foreign = new Assertions({ signer: () => foreignKey }, url)
  const borrowed = new Assertions({
    signer: () => ({ ...foreignKey, header: good.split('.')[0] ?? '' })
  }, url)
  const [header = '', payload = '', signature = ''] = good.split('.')
  const claims = { iss: url, aud: audience, sub: 'mallory' }
  const publicKey = Buffer.from(JSON.stringify((await keys.published())[0]))
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  t.equal((await ask(await own.of(session, audience))).status, 200, 'what follows differs in one thing only')

  const bad: Record<string, string | string[] | undefined> = {
    'no header': undefined,
    'an empty header': '',
    'nonsense': 'a.b.c',
    'two headers': [good, good],
    'for another audience': (await verified('')).headers.get('x-auth-assertion') ?? '',
    'of another issuer': await new Assertions(keys, 'https://evil.example').of(session, audience),
    'expired': await own.of({ ...session, publicId: 'y', databaseNow: now - 80_000 }, audience),
    'with a key that is not published': await foreign.of(session, audience),
    'with a key that is not published, under the name of one that is': await borrowed.of(session, audience),
    'with an altered claim': [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.'),
    'without a signature': `${header}.${payload}.`,
    'with alg none': new UnsecuredJWT(claims).setExpirationTime('1m').setIssuedAt().encode(),
    'with the public key as a secret': await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid })
      .setIssuedAt().setExpirationTime('1m').sign(publicKey),
    'by RS256': await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid })
      .setIssuedAt().setExpirationTime('1m').sign(rsa)
  }
  for (const [what, assertion] of Object.entries(bad)) t.equal((await ask(assertion)).status, 401, what)

  t.equal((await ask(good)).status, 200, 'the good one still holds')
}
