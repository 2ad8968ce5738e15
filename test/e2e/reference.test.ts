import { test } from 'tap'
import { startChromium } from '../support/chromium.js'
import { server } from '../support/server.js'

test('The page of the API works in Chromium under its policy, without other servers', async (t) => {
  const { url } = await server(t)
  const chromium = await startChromium(t)
  const page = await (await chromium.profile({ viewport: { width: 1280, height: 900 } })).newPage()
  const problems: string[] = []
  const requested: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text())
  })
  page.on('pageerror', (error) => { problems.push(String(error)) })
  page.on('request', (request) => { requested.push(request.url()) })
  page.on('response', (response) => { if (!response.ok()) problems.push(`${response.status()} ${response.url()}`) })

  await page.goto(`${url}/api/auth/reference`)
  await page.getByText('Who is signed in, and until when').click()
  await page.getByText('ERR_UNAUTHENTICATED').first().waitFor()
  await chromium.screenshot(page, 'reference')

  t.same(problems, [])
  t.same(requested.filter((address) => !address.startsWith(`${url}/`) && !address.startsWith('data:')), [])
})
