/**
 * The picture for the README: requests per second of everybody in every workload, as ratios.
 *
 * @module
 */
import { number, ratio, type Comparison } from './report.js'

const WIDTH = 880
const LABELS = 370
const BAR = 16
const STEP = 24
const TITLE = 40
const MARGIN = 16

/** Readable on light and on dark; what is ours stands out. */
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

export function chart (comparisons: Comparison[]): string {
  let y = MARGIN + TITLE - 12
  const parts = [`<text class="of" x="${MARGIN}" y="${MARGIN + 12}">Requests a second, as ratios: longer is better</text>`]
  for (const comparison of comparisons) {
    const { title, baseline, results } = comparison
    const bars = Object.keys(results).map((name) => ({ name, value: ratio(comparison, name, (sample) => sample.requestsPerSecond) }))
      .toSorted((a, b) => a.value - b.value)
    const scale = (WIDTH - LABELS - MARGIN - 60) / Math.max(...bars.map(({ value }) => value))
    parts.push(`<text class="title" x="${MARGIN}" y="${y + 14}">${escaped(title)} <tspan class="of">1 = ${escaped(baseline)}</tspan></text>`)
    y += TITLE - 12
    const top = y
    for (const { name, value } of bars) {
      const ours = name.includes('this ') ? ' class="ours"' : ''
      const end = LABELS + value * scale
      parts.push(`<text${ours} x="${LABELS - 10}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>` +
        `<rect${ours} x="${LABELS}" y="${y}" width="${(end - LABELS).toFixed(1)}" height="${BAR}" rx="2"/>` +
        `<text${ours} x="${(end + 6).toFixed(1)}" y="${y + 13}">${number(value)}</text>`)
      y += STEP
    }
    const one = (LABELS + scale).toFixed(1)
    parts.push(`<line x1="${one}" x2="${one}" y1="${top - 3}" y2="${y - STEP + BAR + 3}"/>`)
    y += TITLE - STEP + 8
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="Requests a second, as ratios">` +
    `<style>${STYLE}\n</style>\n${parts.join('\n')}\n</svg>\n`
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
