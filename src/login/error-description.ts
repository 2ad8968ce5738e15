/** The longest description that the log gets, in characters. */
const MAX_LENGTH = 200
/** More is not looked at, to bound the work. */
const MAX_INPUT_LENGTH = 1024

/** Controls, line and paragraph separators, lone surrogates, and characters that change the direction of the text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]+/gu

/** What may be a secret or name a person, and what stands for it. */
const MASKS: readonly [pattern: RegExp, replacement: string][] = [
  [/[a-z][a-z0-9+.-]*:\/\/\S+/gi, '[URL]'],
  [/[^\s@]+@[^\s@]+/g, '[address]'],
  [/\b(code|state|nonce|secret|password|\w*token)\s*[=:]\s*\S+/gi, '$1=[removed]'],
  [/[\w+/=.~%-]{24,}/g, '[removed]']
]

/**
 * A provider's `error_description` (RFC 6749 §4.1.2.1) for the log: on one line, without addresses and without
 * anything that may be a token, and cut. Undefined if nothing is left.
 */
export function cleanDescription (description: string): string | undefined {
  let text = description.slice(0, MAX_INPUT_LENGTH).replaceAll(UNPRINTABLE, ' ').trim()
  for (const [pattern, replacement] of MASKS) text = text.replaceAll(pattern, replacement)
  const characters = Array.from(text)
  if (characters.length > MAX_LENGTH) text = `${characters.slice(0, MAX_LENGTH - 1).join('')}…`
  return text === '' ? undefined : text
}
