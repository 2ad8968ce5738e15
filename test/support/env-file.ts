/** Names and values of an env file whose values a shell and every Compose read alike. */
export function envFile (source: string): Record<string, string> {
  const lines = source.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map((line) => {
    const match = /^([A-Z_]+)=(?:'([^']*)'|([^' $&;()]*))$/.exec(line)
    if (match === null) throw new Error(`not NAME=value: ${line}`)
    return [match[1], match[2] ?? match[3]] as [string, string]
  }))
}
