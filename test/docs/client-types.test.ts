import { readFile } from 'node:fs/promises'
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript'
import { test } from 'tap'
import { rootUrl } from '../support/root.js'

test('The types of the client are those of docs/openapi.json (npm run openapi)', async (t) => {
  const document = await readFile(new URL('docs/openapi.json', rootUrl), 'utf8')
  const generated = COMMENT_HEADER + astToString(await openapiTS(document))
  t.equal(await readFile(new URL('client/openapi.ts', rootUrl), 'utf8'), generated)
})
