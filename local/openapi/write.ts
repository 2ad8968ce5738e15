/**
 * `npm run openapi`: writes `docs/openapi.json`.
 *
 * @module
 */
import { writeFile } from 'node:fs/promises'
import { openApiDocument } from './document.js'

await writeFile('docs/openapi.json', await openApiDocument())
