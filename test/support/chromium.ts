import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { root } from './root.js'

/** Debian's package. The switches disable network traffic of its own. */
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium'
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
]

const artifacts = join(root, 'artifacts/')

export interface Chromium {
  /** A new browser profile, as another user has it. */
  profile (options?: BrowserContextOptions): Promise<BrowserContext>
  /** Saves `artifacts/NAME.png` for readers, or the file that ends in `.png`. A failure does not fail the test. */
  screenshot (page: Page, name: string): Promise<void>
}

/** Retries, because headless Chromium at times fails to take a screenshot on a busy machine. */
async function picture (page: Page, path: string, tries = 5): Promise<void> {
  try {
    await page.screenshot({ path })
  } catch (error) {
    if (!String(error).includes('Unable to capture screenshot') || tries === 1) throw error
    await sleep(200)
    await picture(page, path, tries - 1)
  }
}

/** Playwright switches off the memory in which Chromium keeps pages for the back button. */
const NO_MEMORY = '--disable-back-forward-cache'

/**
 * @param args further command-line switches.
 * @param options.keepsPages whether Back shows a page from memory, as it does for users.
 */
export async function startChromium (
  t: Test, args: string[] = [], { keepsPages = false }: { keepsPages?: boolean } = {}
): Promise<Chromium> {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: [...ARGS, ...args],
    ...(keepsPages ? { ignoreDefaultArgs: [NO_MEMORY] } : {})
  })
  t.teardown(() => browser.close())
  await mkdir(artifacts, { recursive: true })
  return {
    async profile (options = {}) {
      const context = await browser.newContext({ viewport: { width: 900, height: 620 }, ...options })
      context.setDefaultTimeout(15_000)
      return context
    },
    async screenshot (page, name) {
      await picture(page, name.endsWith('.png') ? name : `${artifacts}${name}.png`).catch((error: unknown) => {
        t.comment(`no screenshot of ${name}: ${String(error)}`)
      })
    }
  }
}

/** A browser that blocks the cookies of this origin only. */
export async function withoutCookies (t: Test, origin: string, args: string[] = []): Promise<BrowserContext> {
  const dir = await mkdtemp(join(tmpdir(), 'chromium-'))
  await mkdir(join(dir, 'Default'))
  const BLOCK = 2
  await writeFile(join(dir, 'Default/Preferences'), JSON.stringify({
    profile: { content_settings: { exceptions: { cookies: { [`${origin},*`]: { setting: BLOCK } } } } }
  }))
  const context = await chromium.launchPersistentContext(dir, {
    executablePath: EXECUTABLE,
    args: [...ARGS, ...args]
  })
  t.teardown(async () => {
    await context.close()
    await rm(dir, { recursive: true, force: true })
  })
  context.setDefaultTimeout(15_000)
  return context
}

/** A folder for a profile. Chromium may write to it for a moment after its end. */
export async function profileFolder (t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chromium-'))
  t.teardown(async () => rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }))
  return dir
}

/** A browser with a profile in this folder, which it keeps: started again with it, it is the same user's. */
export async function persistentChromium (t: Test, dir: string, args: string[]): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(dir, {
    executablePath: EXECUTABLE,
    args: [...ARGS, ...args],
    // The policy of the server's own pages allows no script, and a test asks from one.
    bypassCSP: true
  })
  t.teardown(async () => context.close())
  context.setDefaultTimeout(15_000)
  return context
}
