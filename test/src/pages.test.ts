import { createHash } from 'node:crypto'
import { test } from 'tap'
import { errorPage, homePage, styleHash } from '../../src/pages.js'

/** In an element or in an attribute, it shows when it was not escaped. */
const hostile = (name: string) => `"'><img src=x onerror=${name}>&amp;</style></title><script>${name}</script>`

const user = { sub: '5d1c0a9e-0000-4000-8000-000000000001', email: 'user@example.com', name: 'Sample User' }
const signedIn = { user, role: 'ISSUER', roles: ['INVESTOR', 'ISSUER'], expiresAt: '2030-01-02T03:04:05.000Z' }
const error = { code: 'ERR_EXAMPLE', message: 'It went wrong', requestId: 'request-1', retryUrl: '/api/auth/login?role=ISSUER&returnTo=%2F' }

const pages: Record<string, string> = {
  'the sign-in page': homePage(['INVESTOR', 'ISSUER']),
  'the signed-in page': homePage([], signedIn),
  'the error page': errorPage(error),
  'the error page that starts the sign-in again': errorPage({ ...error, autoRetryUrl: '/api/auth/login?retry=1' }),
  'the page about cookies': errorPage({ ...error, cookiesBlocked: true })
}

for (const [name, page] of Object.entries(pages)) {
  test(`${name} is one whole document without a script`, (t) => {
    t.match(page, /^<!doctype html>\n<html lang="en">/)
    t.match(page, /<\/html>\n$/)
    t.equal(page.match(/<main>/g)?.length, 1)
    t.notMatch(page, /<script|javascript:|\son[a-z]+=|style="/i)
    t.end()
  })

  test(`${name} has the one style sheet that styleHash allows`, (t) => {
    const styles = [...page.matchAll(/<style>(.*?)<\/style>/gs)].map(([, style = '']) => style)
    t.equal(styles.length, 1)
    t.equal(styleHash, `sha256-${createHash('sha256').update(styles[0] ?? '').digest('base64')}`)
    t.end()
  })
}

const interpolated: Record<string, (value: string) => string> = {
  'a role of the sign-in page': (value) => homePage([value]),
  'the user\'s name': (value) => homePage([], { ...signedIn, user: { ...user, name: value } }),
  'the user\'s email': (value) => homePage([], { ...signedIn, user: { ...user, email: value } }),
  'the user\'s sub, when there is nothing else': (value) => homePage([], { ...signedIn, user: { sub: value } }),
  'the granted role': (value) => homePage([], { ...signedIn, role: value }),
  'one of all roles': (value) => homePage([], { ...signedIn, roles: ['INVESTOR', value] }),
  'the time of expiry': (value) => homePage([], { ...signedIn, expiresAt: value }),
  'the code of an error': (value) => errorPage({ ...error, code: value }),
  'the message of an error': (value) => errorPage({ ...error, message: value }),
  'the request id of an error': (value) => errorPage({ ...error, requestId: value }),
  'the address to try again': (value) => errorPage({ ...error, retryUrl: value }),
  'the address that is gone to at once': (value) => errorPage({ ...error, autoRetryUrl: value }),
  'the message on the page about cookies': (value) => errorPage({ ...error, message: value, cookiesBlocked: true })
}

for (const [what, render] of Object.entries(interpolated)) {
  test(`${what} is escaped`, (t) => {
    const page = render(hostile('HERE'))
    const plain = render('HERE')
    t.match(page, /HERE/)
    t.same(page.match(/<[a-z!/]+/gi), plain.match(/<[a-z!/]+/gi), 'no tag more than without it')
    t.same(page.match(/["']/g)?.length, plain.match(/["']/g)?.length, 'no quote more than without it')
    t.notOk(page.includes('&amp;</'))
    t.end()
  })
}

test('the sign-in page has a button for each role', (t) => {
  const hrefs = [...homePage(['INVESTOR', 'A&B']).matchAll(/<a class="button" href="([^"]+)">([^<]+)<\/a>/g)].map(([, href, text]) => [href, text])
  t.same(hrefs, [['/api/auth/login?role=INVESTOR', 'Sign in as INVESTOR'], ['/api/auth/login?role=A%26B', 'Sign in as A&#38;B']])
  t.end()
})

test('the signed-in page says who is signed in, as what and until when, and signs out by POST', (t) => {
  const page = homePage([], signedIn)
  t.match(page, /<h1>Signed in as Sample User<\/h1>/)
  t.match(page, /id="role">ISSUER</)
  t.match(page, /id="roles">INVESTOR, ISSUER</)
  t.match(page, /id="email">user@example\.com</)
  t.match(page, /id="expires">2030-01-02T03:04:05\.000Z</)
  t.match(page, /<form method="post" action="\/api\/auth\/logout"><button>Sign out<\/button><\/form>/)
  t.end()
})

test('who has no name is called by the email, who has neither by the sub', (t) => {
  t.match(homePage([], { ...signedIn, user: { sub: user.sub, email: user.email } }), /<h1>Signed in as user@example\.com<\/h1>/)
  t.match(homePage([], { ...signedIn, user: { sub: user.sub } }), new RegExp(`<h1>Signed in as ${user.sub}</h1>`))
  t.end()
})

test('the error page has message, code, request id and a way to try again', (t) => {
  const page = errorPage(error)
  t.match(page, /<h1>It went wrong<\/h1>/)
  t.match(page, /id="code">ERR_EXAMPLE</)
  t.match(page, /id="request">request-1</)
  t.match(page, /<a class="button" href="\/api\/auth\/login\?role&#61;ISSUER&#38;returnTo&#61;%2F">Sign in again<\/a>/)
  t.end()
})

test('the error page goes nowhere by itself, unless it is told where to', (t) => {
  t.notMatch(errorPage(error), /http-equiv/)
  const page = errorPage({ ...error, autoRetryUrl: '/api/auth/login?role=ISSUER&retry=1' })
  t.match(page, /<head>.*<meta http-equiv="refresh" content="0;url=\/api\/auth\/login\?role&#61;ISSUER&#38;retry&#61;1">.*<\/head>/s)
  t.match(page, /<h1>It went wrong<\/h1>/)
  t.match(page, /being started again/)
  t.match(page, /id="code">ERR_EXAMPLE</)
  t.match(page, /<a class="button" href="\/api\/auth\/login\?role&#61;ISSUER&#38;returnTo&#61;%2F">Sign in again<\/a>/)
  t.end()
})

test('the page about cookies says what to do, and what the error page says', (t) => {
  const page = errorPage({ ...error, cookiesBlocked: true })
  t.match(page, /<h1>Cookies seem to be switched off<\/h1>/)
  t.match(page, /Allow cookies for this site/)
  t.match(page, /It went wrong/)
  t.match(page, /id="code">ERR_EXAMPLE</)
  t.match(page, /Sign in again<\/a>/)
  t.end()
})

for (const [code, advice] of [
  ['ERR_DATABASE', /briefly unavailable/], ['ERR_COGNITO_TIMEOUT', /did not answer/], ['ERR_COGNITO_ANSWER', /has a problem/],
  ['ERR_RATE_LIMIT', /wait, then reload/], ['ERR_ROLE_NOT_GRANTED', /administrator/], ['ERR_STATE_UNKNOWN', /start the sign-in again/]
] as const) {
  test(`the error page tells what to do about ${code}`, (t) => {
    t.match(errorPage({ ...error, code }), advice)
    t.end()
  })
}
