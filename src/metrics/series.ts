/**
 * Counters and histograms for what happens with every request. Those of prom-client look up their labels as text each
 * time, which costs a microsecond; here the caller keeps the series, and prom-client reads them when it is asked.
 *
 * @module
 */
import { Counter, type Histogram, type Registry } from 'prom-client'

type Labels = Record<string, string | number>

export interface SeriesOptions { name: string, help: string, register: Registry }

/** One series of a counter. */
export interface Cell { readonly labels: Labels, value: number }

/** A counter whose series are made once, and are then counted up without a look-up. */
export class Tally {
  readonly #cells: Cell[] = []

  constructor ({ name, help, labelNames, register }: SeriesOptions & { labelNames: string[] }) {
    const cells = this.#cells
    new Counter({
      name,
      help,
      labelNames,
      registers: [register],
      collect () {
        this.reset()
        for (const { labels, value } of cells) this.inc(labels, value)
      }
    })
  }

  /** Called once for the same labels. */
  cell (labels: Labels): Cell {
    const cell = { labels, value: 0 }
    this.#cells.push(cell)
    return cell
  }
}

/** One series of a histogram. */
export class Series {
  readonly labels: Labels
  /** Per bucket, not cumulated; the last is above all bounds. */
  readonly counts: number[]
  sum = 0
  readonly #bounds: readonly number[]

  constructor (labels: Labels, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe (value: number): void {
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? Infinity)) at++
    this.counts[at] = (this.counts[at] ?? 0) + 1
    this.sum += value
  }
}

/** A histogram whose series are made once. A metric of prom-client, as far as a registry is concerned. */
export class Distribution {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #bounds: readonly number[]
  readonly #series: Series[] = []

  constructor ({ name, help, buckets, register }: SeriesOptions & { buckets: readonly number[] }) {
    this.name = name
    this.help = help
    this.#bounds = buckets
    register.registerMetric(this as unknown as Histogram)
  }

  /** Called once for the same labels. */
  series (labels: Labels): Series {
    const series = new Series(labels, this.#bounds)
    this.#series.push(series)
    return series
  }

  /** Called by the registry. */
  async get (): Promise<object> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: this.#series.flatMap((series) => this.#valuesOf(series)) }
  }

  /** Called by the registry. */
  reset (): void {
    for (const series of this.#series) {
      series.counts.fill(0)
      series.sum = 0
    }
  }

  #valuesOf ({ labels, counts, sum }: Series): object[] {
    let total = 0
    const buckets = [...this.#bounds, '+Inf'].map((le, index) => {
      total += counts[index] ?? 0
      return { metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: total }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: total }
    ]
  }
}
