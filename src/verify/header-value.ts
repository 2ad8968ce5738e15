/**
 * The longest value, in characters: an e-mail address of the greatest length that there is (320 octets, RFC 3696 with
 * erratum 1690), with every octet encoded. nginx keeps the headers of an answer in 4 or 8 KB, and answers 500 where
 * they are longer.
 */
const MAX_LENGTH = 960

/**
 * A text as the value of a header: printable ASCII without spaces and `%`, and the UTF-8 octets of everything else
 * percent-encoded, so that `decodeURIComponent` gives the text back. Empty for what is not a text, or is too long.
 *
 * @see {@link https://datatracker.ietf.org/doc/html/rfc3986#section-2.1}
 */
export function headerValue (text: unknown): string {
  if (typeof text !== 'string') return ''
  const value = /^[\x21-\x24\x26-\x7e]*$/.test(text) ? text : encoded(text)
  return value.length > MAX_LENGTH ? '' : value
}

function encoded (text: string): string {
  let value = ''
  // Also makes lone surrogates replacement characters.
  for (const byte of Buffer.from(text)) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x25
    value += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return value
}
