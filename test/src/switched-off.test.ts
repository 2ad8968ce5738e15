import { test } from 'tap'
import { loadConfig } from '../../src/config.js'
import { switchedOff } from '../../src/switched-off.js'
import { version } from '../../src/version.js'

const required = {
  DATABASE_URL: 'postgres://user@localhost/database',
  SESSION_SECRET: 'a secret of a test and of nothing else',
  COGNITO_ISSUER: 'https://issuer.example.com',
  COGNITO_DOMAIN: 'https://example.com',
  COGNITO_CLIENT_ID: 'example'
}

test('what is off is told by the names of its variables', (t) => {
  const off = switchedOff(loadConfig({ ...required, LOGIN_RATE_LIMIT: '0', ACCOUNT_PAGE: 'false' }))
  for (const name of ['LOGIN_RATE_LIMIT', 'ACCOUNT_PAGE', 'TRUST_PROXY', 'SESSION_LIMIT']) {
    t.ok(off.includes(name), name)
  }
  const names = switchedOff(loadConfig({ ...required, TRUST_PROXY: '10.0.0.0/8', SESSION_LIMIT: '5' }))
  for (const name of ['LOGIN_RATE_LIMIT', 'ACCOUNT_PAGE', 'TRUST_PROXY', 'SESSION_LIMIT', 'NODE_ENV']) {
    t.notOk(names.includes(name), name)
  }
  t.end()
})

test('the version is that of the package', (t) => {
  t.match(version(), /^\d+\.\d+\.\d+/)
  t.end()
})
