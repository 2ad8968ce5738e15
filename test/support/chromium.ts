import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import type { Test } from 'tap'

/** Debian's package; nothing it does on its own reaches out. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium'
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

const artifacts = fileURLToPath(new URL('../../artifacts/', import.meta.url))

export interface Chromium {
  /** A browser profile of its own, that is another person's browser. */
  profile (): Promise<BrowserContext>
  /** Kept as `artifacts/NAME.png`. */
  screenshot (page: Page, name: string): Promise<void>
}

export async function startChromium (t: Test): Promise<Chromium> {
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: ARGS })
  t.teardown(() => browser.close())
  await mkdir(artifacts, { recursive: true })
  return {
    async profile () {
      const context = await browser.newContext({ viewport: { width: 900, height: 620 } })
      context.setDefaultTimeout(15_000)
      return context
    },
    async screenshot (page, name) { await page.screenshot({ path: `${artifacts}${name}.png` }) }
  }
}
