import type { Language } from '../language.js'
import { en } from './en.js'
import { ms } from './ms.js'
import type { ErrorText, PageError, Texts } from './texts.js'

const TEXTS: Readonly<Record<Language, Texts>> = { en, ms }

/** The texts of the pages in a language. */
export const textsOf = (language: Language): Texts => TEXTS[language]

/** The text of an error; undefined for an error that has none of its own. */
export function errorText ({ errors }: Texts, code: string): ErrorText | undefined {
  return Object.hasOwn(errors, code) ? errors[code as PageError] : undefined
}

export type { ErrorText, Texts }
