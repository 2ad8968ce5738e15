import Bowser from 'bowser'

/** A browser and its operating system, by their makers' names. Undefined: not known. */
export interface Device {
  browser?: string
  system?: string
}

/**
 * What a user agent says, without versions: browsers freeze those of the system, and say less and less of the rest.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5}
 */
export function deviceOf (userAgent: string | undefined): Device {
  if (userAgent === undefined || userAgent === '') return {}
  const { browser, os } = Bowser.parse(userAgent)
  return {
    ...(isName(browser.name) ? { browser: browser.name } : {}),
    ...(isName(os.name) ? { system: os.name } : {})
  }
}

/** For an unknown program, the library gives whatever stands before a slash. */
const isName = (name: string | undefined): name is string => name !== undefined && /^[\w .()+-]{1,40}$/.test(name)

/** `Chrome on Windows`, in English; undefined where nothing is known. */
export function deviceInWords ({ browser, system }: Device): string | undefined {
  if (browser === undefined || system === undefined) return browser ?? system
  return `${browser} on ${system}`
}
