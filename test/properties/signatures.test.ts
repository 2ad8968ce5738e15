import fc from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import { test } from 'tap'
import configuration from '../../plugins/config.js'
import cookies from '../../plugins/cookies.js'
import { loadConfig } from '../../src/config.js'
import { TokenVault } from '../../src/login/token-vault.js'
import { browser } from '../support/browser.js'
import { clientId, clientSecret } from '../support/misbehaving-provider.js'
import { alteration, anyString, holds } from '../support/properties.js'
import { relyingParty } from '../support/relying-party.js'

const secrets = [
  'first secret of a test and of nothing else',
  'second secret of a test and of nothing else',
  'third secret of a test and of nothing else'
]
/** Applications that sign and verify cookies with one, two and three secrets. */
const signers = await Promise.all(
  [[0], [1], [1, 0], [2, 1, 0]].map((numbers) => signer(numbers.map((number) => secrets[number] as string)))
)
const [old, , rotated, both] = signers as [FastifyInstance, FastifyInstance, FastifyInstance, FastifyInstance]
const [, other] = signers as [FastifyInstance, FastifyInstance]

async function signer (list: string[]): Promise<FastifyInstance> {
  const fastify = Fastify()
  await fastify.register(configuration, {
    config: loadConfig({
      DATABASE_URL: 'postgres://user@localhost/none',
      SESSION_SECRET: list.join(','),
      COGNITO_ISSUER: 'https://issuer.example',
      COGNITO_DOMAIN: 'https://issuer.example',
      COGNITO_CLIENT_ID: clientId,
      COGNITO_CLIENT_SECRET: clientSecret
    })
  })
  await fastify.register(cookies)
  return fastify
}

test('a signed value verifies with every list that has its secret', async () => {
  await holds(fc.property(anyString(), (value) => {
    const signed = old.signCookie(value)
    return [old, rotated, both].every((each) => {
      const { valid, value: read } = each.unsignCookie(signed)
      return valid && read === value
    }) && !other.unsignCookie(signed).valid
  }))
})

test('an altered value never verifies', async () => {
  await holds(
    fc.property(
      fc.oneof(fc.base64String({ minLength: 32, maxLength: 32 }), anyString()),
      alteration,
      (value, alter) => {
        const signed = old.signCookie(value)
        const altered = alter(signed)
        fc.pre(altered !== signed)
        return [old, rotated, both].every((each) => !each.unsignCookie(altered).valid)
      }
    )
  )
})

test('a signature belongs to one value', async () => {
  await holds(fc.property(anyString(), anyString(), (one, another) => {
    // Bytes are signed, and strings that are not well-formed can share theirs. No request has such a cookie.
    fc.pre(!Buffer.from(one).equals(Buffer.from(another)))
    const signature = old.signCookie(one).slice(one.length)
    return !both.unsignCookie(another + signature).valid
  }))
})

test('an unsigned value never verifies', async () => {
  await holds(fc.property(anyString(120), (text) => !both.unsignCookie(text).valid))
})

test('a sealed token opens only unaltered and for its session', async () => {
  const [vault, newer] = [new TokenVault(secrets.slice(0, 1)), new TokenVault([...secrets].reverse())]
  await holds(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.string({ maxLength: 40 }),
      fc.string({ maxLength: 40 }),
      alteration,
      (token, session, another, alter) => {
        const sealed = vault.encrypt(token, session)
        const altered = alter(sealed)
        return (
          newer.decrypt(sealed, session) === token &&
          (another === session || newer.decrypt(sealed, another) === undefined) &&
          (altered === sealed || newer.decrypt(altered, session) === undefined)
        )
      }
    )
  )
})

test('an altered session cookie is refused, and the session lives on', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  await party.signIn(user)
  const cookie = user.cookie('cashsouk.sid')?.value ?? ''
  const me = async (value: string) =>
    (await fetch(`${party.url}/api/auth/me`, { headers: { cookie: `cashsouk.sid=${value}` } }))
      .status

  await holds(fc.asyncProperty(alteration, async (alter) => {
    // The value is encoded, because `;` and blanks would end it. Lone surrogates cannot be encoded.
    const signed = decodeURIComponent(cookie)
    const altered = alter(signed).replaceAll(/[\ud800-\udfff]/g, '')
    fc.pre(altered !== signed)
    return await me(encodeURIComponent(altered)) === 401
  }), { casesInOne: 50 })

  t.equal(await me(cookie), 200)
  t.equal((await party.rows()).length, 1)
})
