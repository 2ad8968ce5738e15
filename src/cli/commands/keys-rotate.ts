import { KeyVault } from '../../assertion/key-vault.js'
import { KEYS_NAME, SigningKeys } from '../../assertion/signing-keys.js'
import { PgSessionStore } from '../../sessions/index.js'
import { databaseUrl, sessionSecrets } from '../environment.js'
import { CommandError } from '../failure.js'
import { output } from '../output.js'
import type { Action } from '../program.js'
import { confirm } from '../question.js'
import { timeOf } from '../words.js'

/** `keys rotate` */
export const rotate: Action = async (terminal, { json = false, yes = false, atOnce = false }) => {
  const conString = databaseUrl(terminal.env)
  const secrets = sessionSecrets(terminal.env)
  if (atOnce) {
    await confirm(terminal, 'Remove all keys? Assertions are refused until the new key set has been read.', yes)
  }
  const store = new PgSessionStore({ conString, createTableIfMissing: false, pruneSessionInterval: false })
  try {
    await checkSecret(store, secrets)
    const signsFrom = await new SigningKeys(store, secrets).rotate({ atOnce })
    output(terminal, json, { signsFrom: signsFrom.toISOString() }, () =>
      `the new key signs from ${timeOf(signsFrom.getTime())}\n`)
  } finally {
    await store.close()
  }
}

/** Keys under another secret would be replaced, and no instance could read the new ones. @throws {CommandError} */
async function checkSecret (store: PgSessionStore, secrets: readonly string[]): Promise<void> {
  const { value } = await store.sharedValue(KEYS_NAME)
  if (value === null || new KeyVault(secrets).open(value).state !== 'foreign') return
  throw new CommandError('the keys are encrypted with another SESSION_SECRET: use the one of the server')
}
