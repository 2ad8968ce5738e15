import { createHash } from 'node:crypto'
import { test } from 'tap'
import * as errors from '../../src/errors.js'
import { accountPage, errorPage, homePage, signOutPage, styleHash, type View } from '../../src/pages/index.js'
import { LANGUAGES, preferredLanguage } from '../../src/pages/language.js'
import { agoInWords, inWords } from '../../src/pages/relative-time.js'
import { roleLabel } from '../../src/pages/role-label.js'
import { errorText, textsOf } from '../../src/pages/texts/index.js'

/** Breaks out of an element or attribute unless it is escaped. */
const hostile = (name: string) =>
  `"'><img src=x onerror=${name}>&amp;</style></title><script>${name}</script>`

const user = { sub: '5d1c0a9e-0000-4000-8000-000000000001', email: 'user@example.com', name: 'Sample User' }
const session = {
  id: 'public-id-of-a-session',
  current: true,
  createdAt: '2029-01-02T03:04:05.000Z',
  lastSeenAt: '2029-01-02T03:04:05.000Z',
  expiresAt: '2030-01-02T03:04:05.000Z',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
  device: 'Firefox on Linux',
  ip: '203.0.113.7'
}
const elsewhere = { ...session, id: 'another/id', current: false, userAgent: null, device: null, ip: null }
const signedIn = {
  user,
  role: 'ISSUER',
  roles: ['INVESTOR', 'ISSUER'],
  expiresAt: '2030-01-02T03:04:05.000Z',
  sessions: [session, elsewhere],
  accountUrl: '/api/auth/account'
}
const error = {
  code: 'ERR_EXAMPLE',
  message: 'It went wrong',
  requestId: 'request-1',
  retryUrl: '/api/auth/login?role=ISSUER&returnTo=%2F',
  signOutUrl: '/api/auth/logout'
}
const login = { requestedRole: 'ADMIN', returnTo: '/offers' }
const notGranted = { ...error, code: 'ERR_ROLE_NOT_GRANTED', message: 'Your account does not have the role ADMIN' }
const signOut = { signOutUrl: '/api/auth/logout' }
const refusal = { code: 'ERR_FOREIGN_ORIGIN', requestId: 'request-1' }
const en: View = { language: 'en', labels: [] }
const ms: View = { language: 'ms', labels: [] }

const pages = (view: View): Record<string, string> => ({
  'the sign-in page': homePage(['INVESTOR', 'ISSUER'], undefined, view),
  'the sign-in page after a sign-out': homePage(['INVESTOR', 'ISSUER'], undefined, { ...view, signedOut: true }),
  'the signed-in page': homePage([], signedIn, view),
  'the account page': accountPage({ user, sessions: [session, elsewhere] }, view),
  'the sign-out page': signOutPage({ ...signOut, user }, view),
  'the sign-out page of a guest': signOutPage(signOut, view),
  'the page of a refused sign-out': signOutPage({ ...signOut, refusal }, view),
  'the error page': errorPage(error, view),
  'the error page of a failed sign-out': errorPage({ ...error, isSignOut: true }, view),
  'the error page about a role': errorPage({ ...notGranted, login }, view),
  'the error page that starts the sign-in again':
    errorPage({ ...error, autoRetryUrl: '/api/auth/login?retry=1' }, view),
  'the page about cookies': errorPage({ ...error, cookiesBlocked: true }, view)
})

for (const view of [en, ms]) {
  for (const [name, page] of Object.entries(pages(view))) {
    test(`${name} (${view.language}) is a complete document without scripts`, (t) => {
      t.match(page, new RegExp(`^<!doctype html>\n<html lang="${view.language}">`))
      t.match(page, /<\/html>\n$/)
      t.equal(page.match(/<main>/g)?.length, 1)
      t.equal(page.match(/<h1>/g)?.length, 1)
      t.notMatch(page, /<script|javascript:|\son[a-z]+=|style="/i)
      t.end()
    })

    test(`${name} (${view.language}) has only the style sheet that styleHash allows`, (t) => {
      const styles = [...page.matchAll(/<style>(.*?)<\/style>/gs)].map(([, style = '']) => style)
      t.equal(styles.length, 1)
      t.equal(styleHash, `sha256-${createHash('sha256').update(styles[0] ?? '').digest('base64')}`)
      t.end()
    })

    test(`${name} (${view.language}) shows people neither a role's name nor an ISO time`, (t) => {
      const text = page.replaceAll(/<style>.*<\/style>/gs, '').replaceAll(/<[^>]*>/g, ' ')
      t.notMatch(text, /INVESTOR|ISSUER|ADMIN|\d{4}-\d\d-\d\d/)
      t.end()
    })
  }
}

const interpolated: Record<string, (value: string) => string> = {
  'a role of the sign-in page': (value) => homePage([`${value} x`], undefined, en),
  'a label of the sign-in page': (value) => homePage(['A'], undefined, { ...en, labels: [`A=${value}`] }),
  'the user\'s name': (value) => homePage([], { ...signedIn, user: { ...user, name: value } }, en),
  'the user\'s email': (value) => homePage([], { ...signedIn, user: { ...user, email: value } }, en),
  'the user\'s sub': (value) => homePage([], { ...signedIn, user: { sub: value } }, en),
  'the granted role': (value) => homePage([], { ...signedIn, role: `${value} x` }, en),
  'one of several roles': (value) => homePage([], { ...signedIn, roles: ['INVESTOR', `${value} x`] }, en),
  'the time of expiry': (value) => homePage([], { ...signedIn, expiresAt: value }, en),
  'the address of a session': (value) => accountPage({ user, sessions: [{ ...elsewhere, ip: value }] }, en),
  'the id of a session': (value) => accountPage({ user, sessions: [{ ...elsewhere, id: value }] }, en),
  'the code of an error': (value) => errorPage({ ...error, code: value }, en),
  'the message of an error': (value) => errorPage({ ...error, message: value }, en),
  'the message of an error, in another language': (value) => errorPage({ ...error, message: value }, ms),
  'the request id of an error': (value) => errorPage({ ...error, requestId: value }, en),
  'the retry URL': (value) => errorPage({ ...error, retryUrl: value }, en),
  'the URL of the automatic retry': (value) => errorPage({ ...error, autoRetryUrl: value }, en),
  'the URL of the portal': (value) => errorPage({ ...error, portalUrl: value }, en),
  'the URL of the sign-out': (value) => errorPage({ ...error, isSignOut: true, signOutUrl: value }, en),
  'the role that was refused': (value) =>
    errorPage({ ...notGranted, login: { ...login, requestedRole: `${value} x` } }, en),
  'the message on the page about cookies': (value) =>
    errorPage({ ...error, message: value, cookiesBlocked: true }, en),
  'the URL on the sign-out page': (value) => signOutPage({ signOutUrl: value }, en),
  'the user on the sign-out page': (value) => signOutPage({ ...signOut, user: { ...user, name: value } }, en),
  'the code on the sign-out page': (value) => signOutPage({ ...signOut, refusal: { ...refusal, code: value } }, en)
}

for (const [what, render] of Object.entries(interpolated)) {
  test(`${what} is escaped`, (t) => {
    const page = render(hostile('HERE'))
    const plain = render('HERE')
    t.match(page, /HERE/)
    t.same(page.match(/<[a-z!/]+/gi), plain.match(/<[a-z!/]+/gi), 'no additional tag')
    t.same(page.match(/["']/g)?.length, plain.match(/["']/g)?.length, 'no additional quote')
    t.notOk(page.includes('&amp;</'))
    t.end()
  })
}

/** The ways out of a page: where they lead, and what they say. */
const exitsOf = (page: string) => [
  ...page.matchAll(/<a class="button[^"]*" href="([^"]+)">([^<]+)<|action="([^"]+)"><button[^>]*>([^<]+)</g)
].map(([, href, link, action, button]) => [plain(href ?? `POST ${action ?? ''}`), link ?? button])

const plain = (text: string) => text.replaceAll('&#61;', '=').replaceAll('&#38;', '&')

test('the sign-in page has a button for each role', (t) => {
  t.same(exitsOf(homePage(['INVESTOR', 'A&B'], undefined, en)), [
    ['/api/auth/login?role=INVESTOR', 'Sign in as Investor'],
    ['/api/auth/login?role=A%26B', 'Sign in as A&#38;B']
  ])
  t.end()
})

test('a role with a label is shown by its label', (t) => {
  const labels = ['INVESTOR=Investor portal', 'ISSUER=For issuers = SMEs']
  t.same(exitsOf(homePage(['INVESTOR', 'ISSUER', 'ADMIN'], undefined, { ...en, labels })), [
    ['/api/auth/login?role=INVESTOR', 'Investor portal'],
    ['/api/auth/login?role=ISSUER', 'For issuers &#61; SMEs'],
    ['/api/auth/login?role=ADMIN', 'Sign in as Admin']
  ])
  t.match(homePage([], signedIn, { ...en, labels: ['ISSUER=Issuer portal'] }), /id="role">Issuer portal</)
  t.match(
    errorPage({ ...notGranted, login }, { ...en, labels: ['ADMIN=Back office'] }),
    /<h1>Your account does not have the role “Back office”<\/h1>/
  )
  t.end()
})

for (const [role, label] of [
  ['INVESTOR', 'Investor'], ['FUND_MANAGER', 'Fund manager'], ['fund-manager', 'Fund manager'],
  ['fundManager', 'Fund manager'], ['Admin', 'Admin'], ['L2', 'L2'], ['__', '__'], ['constructor', 'Constructor']
] as const) {
  test(`the role ${role} without a label is ${label}`, (t) => {
    t.equal(roleLabel(role, ['OTHER=x']), label)
    t.end()
  })
}

test('only the page after a sign-out says that the user has signed out', (t) => {
  t.match(homePage(['A'], undefined, { ...en, signedOut: true }), /role="status">You have been signed out\.</)
  t.notMatch(homePage(['A'], undefined, { ...en, signedOut: false }), /signed out/)
  t.notMatch(homePage([], signedIn, { ...en, signedOut: true }), /have been signed out/)
  t.end()
})

test('the signed-in page shows the session and a sign-out form', (t) => {
  const expiresAt = new Date(Date.now() + 750_000).toISOString()
  const page = homePage([], { ...signedIn, expiresAt }, en)
  t.match(page, /<h1>Signed in as Sample User<\/h1>/)
  t.match(page, /id="role">Issuer</)
  t.match(page, /id="roles">Investor, Issuer</)
  t.match(page, /id="email">user@example\.com</)
  t.match(page, new RegExp(`<time id="expires" datetime="${expiresAt}">in 12 minutes</time>`))
  t.match(page, /<form method="post" action="\/api\/auth\/logout"><button>Sign out<\/button><\/form>/)
  t.end()
})

for (const [seconds, english, malay] of [
  [0, 'in 0 seconds', 'dalam 0 saat'], [-5, 'in 0 seconds', 'dalam 0 saat'], [1.9, 'in 1 second', 'dalam 1 saat'],
  [59.9, 'in 59 seconds', 'dalam 59 saat'], [60, 'in 1 minute', 'dalam 1 minit'],
  [5399, 'in 89 minutes', 'dalam 89 minit'], [5400, 'in 1 hour', 'dalam 1 jam'],
  [43_200, 'in 12 hours', 'dalam 12 jam']
] as const) {
  test(`${seconds} seconds ahead are ${english}, and ${malay}`, (t) => {
    t.equal(inWords(seconds, 'en'), english)
    t.equal(inWords(seconds, 'ms'), malay)
    t.end()
  })
}

test('the heading falls back from name to email to sub', (t) => {
  t.match(
    homePage([], { ...signedIn, user: { sub: user.sub, email: user.email } }, en),
    /<h1>Signed in as user@example\.com<\/h1>/
  )
  t.match(
    homePage([], { ...signedIn, user: { sub: user.sub } }, en),
    new RegExp(`<h1>Signed in as ${user.sub}</h1>`)
  )
  t.end()
})

test('the error page has message, code, request id and retry link', (t) => {
  const page = errorPage(error, en)
  t.match(page, /<h1>It went wrong<\/h1>/)
  t.match(page, /id="code">ERR_EXAMPLE</)
  t.match(page, /id="request">request-1</)
  t.match(
    page,
    /<a class="button" href="\/api\/auth\/login\?role&#61;ISSUER&#38;returnTo&#61;%2F">Sign in again<\/a>/
  )
  t.end()
})

test('the error page refreshes only for an automatic retry', (t) => {
  t.notMatch(errorPage(error, en), /http-equiv/)
  const page = errorPage({ ...error, autoRetryUrl: '/api/auth/login?role=ISSUER&retry=1' }, en)
  t.match(
    page,
    /<head>.*<meta http-equiv="refresh" content="0;url=\/api\/auth\/login\?role&#61;ISSUER&#38;retry&#61;1">.*<\/head>/s
  )
  t.match(page, /<h1>It went wrong<\/h1>/)
  t.match(page, /being started again/)
  t.match(page, /id="code">ERR_EXAMPLE</)
  t.match(page, /<a class="button" href="\/api\/auth\/login\?role&#61;ISSUER&#38;returnTo&#61;%2F">Sign in again<\/a>/)
  t.end()
})

test('the page about cookies also shows the error', (t) => {
  const page = errorPage({ ...error, cookiesBlocked: true }, en)
  t.match(page, /<h1>Cookies seem to be switched off<\/h1>/)
  t.match(page, /Allow cookies for this site/)
  t.match(page, /It went wrong/)
  t.match(page, /id="code">ERR_EXAMPLE</)
  t.match(page, /Sign in again<\/a>/)
  t.end()
})

for (const [code, advice] of [
  ['ERR_DATABASE', /briefly unavailable/],
  ['ERR_COGNITO_TIMEOUT', /did not answer/],
  ['ERR_COGNITO_ANSWER', /has a problem/],
  ['ERR_RATE_LIMIT', /wait, then reload/],
  ['ERR_ROLE_NOT_GRANTED', /administrator/],
  ['ERR_STATE_UNKNOWN', /start the sign-in again/]
] as const) {
  test(`the error page has advice for ${code}`, (t) => {
    t.match(errorPage({ ...error, code }, en), advice)
    t.end()
  })
}

test('the error page says how long to wait after too many sign-ins', (t) => {
  t.match(errorPage({ ...error, code: 'ERR_RATE_LIMIT', retryAfterS: 42 }, en), /try again in 42 seconds/)
  t.match(errorPage({ ...error, code: 'ERR_RATE_LIMIT', retryAfterS: 42 }, ms), /cuba lagi dalam 42 saat/)
  t.end()
})

const again = ['/api/auth/login?role=ISSUER&returnTo=%2F', 'Sign in again']
const other = (query: string) => [`/api/auth/login?${query}`, 'Use another account']

test('a login that was refused for its role can be repeated with another account', (t) => {
  const hints = { login_hint: 'alice', identity_provider: 'Okta', lang: 'ms' }
  t.same(exitsOf(errorPage({ ...notGranted, login }, en)), [
    other('role=ADMIN&returnTo=%2Foffers&prompt=login'), again
  ])
  t.same(exitsOf(errorPage({ ...notGranted, login: { ...login, hints } }, en)), [
    other('role=ADMIN&returnTo=%2Foffers&lang=ms&prompt=login'), again
  ], 'without the hints that lead to the same account')
  t.same(exitsOf(errorPage(notGranted, en)), [other('prompt=login'), again])
  t.end()
})

test('a login that was refused although it asked for an account offers the provider\'s sign-out', (t) => {
  const page = errorPage({ ...notGranted, login: { ...login, hints: { prompt: 'login' } } }, en)
  t.same(exitsOf(page), [
    ['POST /api/auth/logout', 'Sign out to change the account'],
    other('role=ADMIN&returnTo=%2Foffers&prompt=login'),
    again
  ])
  t.match(page, /the same account again without being asked, sign out first/)
  t.end()
})

test('an error page leads back to the portal of the login', (t) => {
  const portal = ['https://investor.example.com/', 'Back to the portal']
  t.same(exitsOf(errorPage({ ...error, portalUrl: 'https://investor.example.com/' }, en)), [again, portal])
  t.end()
})

test('a sign-out that failed can be repeated', (t) => {
  const page = errorPage({ ...error, code: 'ERR_DATABASE', isSignOut: true, signOutUrl: '/api/auth/logout?a' }, en)
  t.same(exitsOf(page), [['POST /api/auth/logout?a', 'Sign out'], again])
  t.match(page, /<title>Sign-out problem/)
  t.match(page, /may still be signed in/)
  t.end()
})

test('the sign-out page says who is signed in, or which error it is', (t) => {
  const button = [['POST /api/auth/logout', 'Sign out']]
  const page = signOutPage({ ...signOut, user }, en)
  t.match(page, /You are signed in as Sample User\./)
  t.same(exitsOf(page), button)
  t.match(signOutPage(signOut, en), /You are not signed in here/)
  const refused = signOutPage({ ...signOut, refusal }, en)
  t.match(refused, /<h1>Do you want to sign out\?<\/h1>/)
  t.match(refused, /id="code">ERR_FOREIGN_ORIGIN</)
  t.match(refused, /id="request">request-1</)
  t.same(exitsOf(refused), button)
  t.end()
})

/** Only scripts, the operator and the health checks get these. */
const NEVER_A_PAGE = [
  'ERR_CONFIG', 'ERR_DEVICE_CHALLENGE', 'ERR_DEVICE_PROOF', 'ERR_DEVICE_SESSION', 'ERR_DRAINING', 'ERR_EVENTS_SECRET',
  'ERR_NAVIGATION_REQUIRED', 'ERR_NOT_FOUND', 'ERR_RECENT_SIGN_IN', 'ERR_UNAUTHENTICATED', 'ERR_VERIFY_QUERY'
]

test('every error that a page can show has a text of its own in each language', (t) => {
  const codes = Object.keys(errors).filter((name) => name.startsWith('ERR_') && !NEVER_A_PAGE.includes(name))
  for (const language of LANGUAGES) {
    for (const code of codes) t.ok(errorText(textsOf(language), code), `${code} (${language})`)
  }
  t.equal(errorText(textsOf('en'), 'constructor'), undefined)
  t.end()
})

/** Every text by its path. Functions get a mark, which must be in their text. */
function textsByPath (value: unknown, path = ''): Record<string, string> {
  if (typeof value === 'string') return { [path]: value }
  if (typeof value === 'function') return { [path]: (value as (text: string) => string)('MARK') }
  return Object.assign({}, ...Object.entries(value as object).map(([key, member]) =>
    textsByPath(member, path === '' ? key : `${path}.${key}`))) as Record<string, string>
}

test('both languages have every text, and none is that of the other', (t) => {
  const [english, malay] = [textsByPath(textsOf('en')), textsByPath(textsOf('ms'))]
  t.same(Object.keys(malay).sort(), Object.keys(english).sort())
  for (const [path, text] of Object.entries(english)) {
    t.ok(text.length > 2 && (malay[path] ?? '').length > 2, path)
    t.not(malay[path], text, path)
    t.equal(malay[path]?.includes('MARK'), text.includes('MARK'), path)
  }
  t.end()
})

for (const [accepted, language] of [
  [undefined, 'en'], ['', 'en'], ['*', 'en'], ['ms', 'ms'], ['ms-MY,ms;q=0.9,en;q=0.8', 'ms'], ['MS-my', 'ms'],
  ['en-GB,en;q=0.9,ms;q=0.8', 'en'], ['ms;q=0.5,en;q=0.6', 'en'], ['de,fr;q=0.9', 'en'], ['de,ms;q=0.5', 'ms'],
  ['ms;q=0', 'en'], ['en;q=0,ms;q=0', 'en'], ['msa', 'en'], [';;,,=ms', 'en'], ['ms;q=x', 'en'],
  [`${'de,'.repeat(5000)}ms`, 'en']
] as const) {
  test(`Accept-Language: ${accepted?.slice(0, 40) ?? '(absent)'} gives ${language}`, (t) => {
    t.equal(preferredLanguage(accepted), language)
    t.end()
  })
}

test('the account page has a button for each session but the current one', (t) => {
  const page = accountPage({ user, sessions: [session, elsewhere] }, en)
  t.match(page, /<h2>Firefox on Linux <span class="mark">This browser<\/span><\/h2>/)
  t.match(page, /<dd>203\.0\.113\.7<\/dd>/)
  t.match(page, /<h2>Unknown browser<\/h2>/)
  t.same([...page.matchAll(/<form method="post" action="([^"]*)">/g)].map(([, action]) => action), [
    '/api/auth/account/end/another%2Fid', '/api/auth/account/end', '/api/auth/logout'
  ])
  t.match(page, /<button class="secondary" aria-label="End session: Unknown browser">End session<\/button>/)
  const alone = accountPage({ user, sessions: [session] }, en)
  t.same([...alone.matchAll(/action="([^"]*)"/g)].map(([, action]) => action), ['/api/auth/logout'])
  t.match(accountPage({ user, sessions: [session] }, ms), /Firefox pada Linux/)
  t.end()
})

test('the signed-in page lists the sessions and leads to the account page, if there is one', (t) => {
  const page = homePage([], signedIn, en)
  t.match(page, /<h3>Firefox on Linux /)
  t.notMatch(page, /account\/end/)
  t.match(page, /<a class="button secondary" href="\/api\/auth\/account">Manage sessions<\/a>/)
  t.notMatch(homePage([], { ...signedIn, accountUrl: undefined }, en), /Manage sessions/)
  t.end()
})

for (const [seconds, english, malay] of [
  [-5, 'now', 'sekarang'], [59.9, 'now', 'sekarang'], [60, '1 minute ago', '1 minit lalu'],
  [5399, '89 minutes ago', '89 minit lalu'], [5400, '1 hour ago', '1 jam lalu'],
  [172_799, '47 hours ago', '47 jam lalu'], [172_800, '2 days ago', '2 hari lalu']
] as const) {
  test(`${seconds} seconds that have passed are ${english}`, (t) => {
    t.equal(agoInWords(seconds, 'en'), english)
    t.match(agoInWords(seconds, 'ms'), malay)
    t.end()
  })
}
