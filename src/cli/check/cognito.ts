/**
 * What can be told of Cognito without a login.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { codeChallenge } from '../../login/transaction.js'
import { parseUrl } from '../../url.js'
import { fail, ok, unknown, warn, type Finding } from './finding.js'
import { ask, type Answer, type NoAnswer } from './http.js'
import type { CognitoSettings } from './variables.js'

export async function checkCognito (settings: CognitoSettings): Promise<Finding[]> {
  const [keys, login, secrets] = await Promise.all([
    checkKeys(settings), checkLogin(settings), checkSecrets(settings)
  ])
  return [...keys, ...login, ...secrets]
}

const isAnswer = (answer: Answer | NoAnswer): answer is Answer => 'status' in answer

/** The keys of each issuer. One of the two forms of a pool's issuer is enough. */
async function checkKeys (settings: CognitoSettings): Promise<Finding[]> {
  const findings = await Promise.all(settings.issuers.map((issuer) => keysOf(issuer, settings)))
  const good = findings.filter(({ status }) => status === 'ok')
  return settings.isPool && good.length > 0 ? good : findings
}

async function keysOf (issuer: string, egress: CognitoSettings): Promise<Finding> {
  const name = 'keys'
  const answer = await ask(`${issuer}/.well-known/jwks.json`, { egress })
  if (!isAnswer(answer)) return fail(name, `${issuer}: ${answer.problem}`, answer.advice)
  if (answer.status !== 200) {
    return fail(name, `${issuer}: status ${answer.status}`, 'correct COGNITO_USER_POOL_ID or COGNITO_ISSUER')
  }
  const keys = keysIn(answer.text)
  if (keys === undefined) {
    return fail(name, `${issuer}: the answer is not a JSON Web Key Set`, 'correct COGNITO_ISSUER')
  }
  return keys === 0
    ? fail(name, `${issuer}: the key set is empty`, 'correct COGNITO_ISSUER')
    : ok(name, `${issuer}: ${keys} keys`)
}

/** How many keys a key set has (RFC 7517 §5); undefined if it is none. */
function keysIn (text: string): number | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown }
    return Array.isArray(keys) ? keys.length : undefined
  } catch {
    return undefined
  }
}

/** Asks for a login, as the server does, and looks where the answer leads. */
async function checkLogin (settings: CognitoSettings): Promise<Finding[]> {
  const { domain, clientId, callbackUrl, scopes } = settings
  if (domain === undefined) return []
  const challenge = codeChallenge(randomBytes(32).toString('base64url'))
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId ?? 'unknown',
    redirect_uri: callbackUrl ?? 'https://unknown.invalid',
    scope: scopes,
    state: 'check',
    code_challenge: challenge,
    code_challenge_method: 'S256'
  })
  const answer = await ask(`${domain}/oauth2/authorize?${query.toString()}`, { egress: settings })
  if (!isAnswer(answer)) return [fail('domain', `${domain}: ${answer.problem}`, answer.advice)]
  if (answer.status >= 500 || answer.status === 404) {
    return [fail('domain', `${domain}: status ${answer.status} for /oauth2/authorize`, 'correct COGNITO_DOMAIN')]
  }
  const about = clientId === undefined || callbackUrl === undefined ? [] : judged(answer, settings)
  return [ok('domain', `${domain} answers`), ...about]
}

/** What an answer for a login says of the client and of its callback URL. */
function judged (answer: Answer, { domain = '', callbackUrl = '' }: CognitoSettings): Finding[] {
  const callback = `the callback URL ${callbackUrl}`
  const register = 'register exactly this URL with the app client'
  const target = answer.location === null ? undefined : parseUrl(answer.location, domain) ?? undefined
  const said = `${target?.searchParams.get('error') ?? ''} ${target === undefined ? answer.text : ''}`
  if (/redirect_mismatch|invalid_redirect_uri/i.test(said)) {
    return [ok('client', 'the client is known'), fail('callback', `${callback} is not registered`, register)]
  }
  if (/invalid_client|client[ +]does[ +]not[ +]exist/i.test(said)) {
    return [
      fail('client', 'the client is unknown', 'correct COGNITO_CLIENT_ID, or COGNITO_DOMAIN'),
      unknown('callback', 'cannot be told for an unknown client')
    ]
  }
  if (target !== undefined && target.origin + target.pathname === callbackUrl) {
    const error = target.searchParams.get('error') ?? 'none'
    return [
      ok('client', 'the client is known'),
      ok('callback', `${callback} is registered`),
      fail('login', `a login is refused: ${error}`, 'compare COGNITO_SCOPES and the grant types of the app client')
    ]
  }
  if (target !== undefined && !target.pathname.endsWith('/error')) {
    return [ok('client', 'the client is known'), ok('callback', `${callback} is registered`)]
  }
  const what = 'cannot be told from the answer to a login'
  return [unknown('client', what), unknown('callback', what)]
}

/**
 * A code that was never issued: the token endpoint looks at the client first (RFC 6749 §5.2).
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html}
 */
async function checkSecrets (settings: CognitoSettings): Promise<Finding[]> {
  const { domain, clientId, clientSecrets, callbackUrl = '' } = settings
  if (domain === undefined || clientId === undefined) return []
  const secrets = clientSecrets.length === 0 ? [undefined] : clientSecrets
  return Promise.all(secrets.map(async (secret, index) => {
    const which = secrets.length > 1 ? ` ${index + 1} of ${secrets.length}` : ''
    const form = new URLSearchParams({
      grant_type: 'authorization_code', code: 'check', redirect_uri: callbackUrl, client_id: clientId
    })
    const answer = await ask(`${domain}/oauth2/token`, {
      egress: settings,
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(secret === undefined ? {} : { authorization: basic(clientId, secret) })
      },
      body: form.toString()
    })
    return secretFinding(answer, secret !== undefined, which)
  }))
}

function secretFinding (answer: Answer | NoAnswer, hasSecret: boolean, which: string): Finding {
  const name = 'client secret'
  if (!isAnswer(answer)) return unknown(name, `cannot be told: ${answer.problem}`)
  if (/"invalid_client"/.test(answer.text)) {
    return hasSecret
      ? fail(name, `Cognito refuses the client secret${which}`, 'correct COGNITO_CLIENT_SECRET')
      : fail(name, 'Cognito refuses a client without a secret', 'set COGNITO_CLIENT_SECRET')
  }
  if (/"invalid_grant"/.test(answer.text)) {
    return ok(name, hasSecret ? `Cognito takes the client secret${which}` : 'none, and Cognito asks for none')
  }
  if (answer.status === 429) return warn(name, 'Cognito answers 429: too many requests', 'try again later')
  return unknown(name, `cannot be told from status ${answer.status}`)
}

/** RFC 6749 §2.3.1 */
const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
