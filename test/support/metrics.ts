/** A scrape: the value of each series, by its name with its labels, and its type. */
export class Scrape {
  readonly text: string
  readonly #values = new Map<string, number>()
  readonly types = new Map<string, string>()

  constructor (text: string) {
    this.text = text
    for (const line of text.split('\n')) {
      const [, type, kind = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
      if (type !== undefined) this.types.set(type, kind)
      const [, series, value] = /^([a-z0-9_]+(?:\{.*\})?) (\S+)$/.exec(line) ?? []
      if (series !== undefined) this.#values.set(series, Number(value))
    }
  }

  /** The sum of the series with this name whose labels have all of these texts. */
  sum (name: string, ...labels: string[]): number | undefined {
    const found = [...this.#values].filter(([series]) =>
      series.split('{', 1)[0] === name && labels.every((label) => series.includes(label)))
    return found.length === 0 ? undefined : found.reduce((total, [, value]) => total + value, 0)
  }

  get series (): string[] {
    return [...this.#values.keys()]
  }

  /** All values of the series with this name, as text. */
  state (name: string): string {
    return JSON.stringify([...this.#values].filter(([series]) => series.split('{', 1)[0] === name))
  }
}

/** The port that the log names. */
export function metricsPort (log: readonly string[]): number {
  const line = log.map((text) => JSON.parse(text) as { msg: string, port?: number })
    .find(({ msg }) => msg === 'Metrics are served')
  if (line?.port === undefined) throw new Error('no metrics are served')
  return line.port
}

export async function scrape (log: readonly string[]): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${metricsPort(log)}/metrics`)
  if (response.status !== 200) throw new Error(`status ${response.status}`)
  return new Scrape(await response.text())
}
