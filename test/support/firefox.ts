import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import puppeteer, { type Page } from 'puppeteer-core'
import type { Test } from 'tap'

/** Debian's package. */
const EXECUTABLE = process.env.FIREFOX ?? '/usr/bin/firefox-esr'
const TIMEOUT_MS = 15_000

export interface Firefox {
  /** A new container of cookies, as another user has it. Pages of one share them. */
  profile (): Promise<{ newPage (): Promise<Page> }>
}

/** Firefox, driven over WebDriver BiDi. */
export async function startFirefox (t: Test): Promise<Firefox> {
  const userDataDir = await mkdtemp(join(tmpdir(), 'firefox-'))
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: EXECUTABLE,
    headless: true,
    userDataDir,
    // No network traffic of its own.
    extraPrefsFirefox: {
      'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false
    }
  })
  t.teardown(async () => {
    await browser.close()
    await rm(userDataDir, { recursive: true, force: true })
  })
  return {
    async profile () {
      const context = await browser.createBrowserContext()
      return {
        async newPage () {
          const page = await context.newPage()
          page.setDefaultTimeout(TIMEOUT_MS)
          return page
        }
      }
    }
  }
}
