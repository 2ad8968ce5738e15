/**
 * The chart: requests per second of all contestants in every workload, as ratios.
 *
 * @module
 */
import { ratio, type Comparison } from './comparisons.js'
import { number } from './format.js'
import { hasCachedSignatures, isBaseline } from './names.js'

const WIDTH = 880
const LABEL_WIDTH = 370
/** Space for the number at the end of a bar. */
const NUMBER_WIDTH = 60
const BAR_HEIGHT = 16
const BAR_STEP = 24
const TITLE_HEIGHT = 28
const GAP = 32
const MARGIN = 16

/** Readable on a light and on a dark background. This project's bars are blue. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .of { fill: #59636e }
  rect { fill: #9aa4b0 }
  .ours { fill: #0969da }
  text.ours { fill: #0969da; font-weight: 600 }
  line { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .of { fill: #9198a1 }
    rect { fill: #656d76 }
    .ours { fill: #4493f8 }
    text.ours { fill: #4493f8 }
    line { stroke: #9198a1 }
  }`

const CAPTION = 'Requests per second, as ratios'

/** An SVG with one group of bars for each workload. */
export function chart (comparisons: Comparison[]): string {
  let y = MARGIN + TITLE_HEIGHT
  const parts = [`<text class="of" x="${MARGIN}" y="${MARGIN + 12}">${CAPTION}: longer is better</text>`]
  for (const comparison of comparisons) {
    const { svg, height } = group(comparison, y)
    parts.push(svg)
    y += height + GAP
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}"` +
    ` role="img" aria-label="${CAPTION}"><style>${STYLE}\n</style>\n${parts.join('\n')}\n</svg>\n`
}

interface Bar { name: string, value: number }

function group (comparison: Comparison, y: number): { svg: string, height: number } {
  const { title, reference } = comparison
  const bars = barsOf(comparison)
  const scale = (WIDTH - LABEL_WIDTH - MARGIN - NUMBER_WIDTH) / Math.max(...bars.map(({ value }) => value))
  const top = y + TITLE_HEIGHT
  const bottom = top + (bars.length - 1) * BAR_STEP + BAR_HEIGHT
  const one = (LABEL_WIDTH + scale).toFixed(1)
  const svg = [
    `<text class="title" x="${MARGIN}" y="${y + 14}">${escaped(title)} ` +
    `<tspan class="of">1 = ${escaped(reference)}</tspan></text>`,
    ...bars.map((bar, index) => barSvg(bar, top + index * BAR_STEP, scale)),
    `<line x1="${one}" x2="${one}" y1="${top - 3}" y2="${bottom + 3}"/>`
  ]
  return { svg: svg.join('\n'), height: bottom - y }
}

function barsOf (comparison: Comparison): Bar[] {
  const names = Object.keys(comparison.results).filter((name) => !isBaseline(name) && !hasCachedSignatures(name))
  const bars = names.map((name) => ({ name, value: ratio(comparison, name, (sample) => sample.requestsPerSecond) }))
  return bars.filter(({ value }) => !Number.isNaN(value)).toSorted((a, b) => a.value - b.value)
}

function barSvg ({ name, value }: Bar, y: number, scale: number): string {
  const ours = name.includes('this ') ? ' class="ours"' : ''
  const width = value * scale
  return `<text${ours} x="${LABEL_WIDTH - 10}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>` +
    `<rect${ours} x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>` +
    `<text${ours} x="${(LABEL_WIDTH + width + 6).toFixed(1)}" y="${y + 13}">${number(value)}</text>`
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
