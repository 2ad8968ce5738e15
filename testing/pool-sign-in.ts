/** Redirects and pages between an authorization request and the callback; there are three. */
const MAX_STEPS = 8
const TIMEOUT_MS = 10_000

/**
 * Signs a user in on the pool's page, as a browser without a session of the pool does.
 *
 * @param authorizeUrl where the application's login redirects to.
 * @returns the callback's URL, with `code` or `error`, which is not requested.
 * @throws {Error} when the pool shows an error page instead.
 */
export async function signInAtPool (authorizeUrl: string, username: string): Promise<string> {
  const { origin } = new URL(authorizeUrl)
  const cookies = new Map<string, string>()
  let url = authorizeUrl
  let form: URLSearchParams | undefined
  for (let step = 0; step < MAX_STEPS; step++) {
    const answer: Response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: form })
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const location = answer.headers.get('location')
    if (location === null) {
      const page = await answer.text()
      if (answer.status !== 200) throw new Error(`The pool answered ${answer.status}: ${problemIn(page)}`)
      form = new URLSearchParams({ person: username })
    } else {
      url = new URL(location, url).href
      form = undefined
      if (new URL(url).origin !== origin) return url
    }
  }
  throw new Error('The pool redirected in circles')
}

const problemIn = (page: string): string => /<p>([^<]*)<\/p>/.exec(page)?.[1] ?? 'an error page'
