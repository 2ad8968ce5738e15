import Negotiator from 'negotiator'

/** BCP 47. English is the one for readers of neither. */
export const LANGUAGES = ['en', 'ms'] as const

export type Language = typeof LANGUAGES[number]

/** Characters of the header that are read: a browser sends less, and the work is bounded. */
const MAX_LENGTH = 256

/**
 * The language of the pages that a reader prefers.
 *
 * @param accepted the header `Accept-Language` (RFC 9110 §12.5.4).
 */
export function preferredLanguage (accepted: string | undefined): Language {
  const headers = { 'accept-language': accepted?.slice(0, MAX_LENGTH) ?? '*' }
  const preferred = new Negotiator({ headers }).language([...LANGUAGES])
  return LANGUAGES.find((language) => language === preferred) ?? 'en'
}

/** `make`, which is called once for each language, when it is first needed. */
export function perLanguage<Value> (make: (language: Language) => Value): (language: Language) => Value {
  const made = new Map<Language, Value>()
  return (language) => {
    const value = made.get(language) ?? make(language)
    made.set(language, value)
    return value
  }
}
