/** Callbacks whose browser has gone before the answer, as at a second click on the provider's button. */
import pg from 'pg'
import { test, type Test } from 'tap'
import { Browser } from '../../../support/browser.js'
import { relyingParty, type RelyingParty } from '../../../support/relying-party.js'
import { until } from '../../../support/until.js'

const users = async (party: RelyingParty): Promise<number> =>
  (await party.rows()).filter(({ sess }) => 'user' in sess).length

/** A callback on a connection that is cut on demand; `ended` when the server has done with it. */
async function callback (
  party: RelyingParty, user: Browser
): Promise<{ cut: () => void, ended: () => boolean }> {
  const callbackUrl = await party.reachCallback(user)
  const connection = new AbortController()
  const before = party.log.length
  fetch(callbackUrl, {
    redirect: 'manual', signal: connection.signal, headers: { cookie: user.cookieHeader(callbackUrl) }
  }).catch(() => {})
  return {
    cut: () => { connection.abort() },
    ended: () => party.log.slice(before).some((line) => line.includes('Token exchange'))
  }
}

/** Until this resolves, a server has noticed that a connection is closed. */
const noticed = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, 200) })

test('A browser that has gone during the exchange is not signed in, and keeps its session', async (t) => {
  const party = await relyingParty(t)
  const user = new Browser()
  t.equal((await party.signIn(user)).status, 303)
  let go: (() => void) | undefined
  party.provider.behaviour = {
    respond: {
      token: (request, response, body) => { go = () => { party.provider.token(request, response, body) } }
    }
  }

  const { cut, ended } = await callback(party, user)
  await until(() => go !== undefined)
  cut()
  await noticed()
  go?.()

  await until(ended)
  await noticed()
  t.equal(await users(party), 1)
  await until(() => party.provider.count('revoke') === 1)
  t.equal((await user.get(`${party.url}/api/auth/me`)).status, 200, 'the former session goes on')
})

test('A browser that has gone during the last statement leaves no session', async (t) => {
  const party = await relyingParty(t)
  const release = await holdInserts(t, party)

  const { cut } = await callback(party, new Browser())
  await until(() => release.isAwaited())
  cut()
  await noticed()
  await release.now()
  await noticed()

  await until(async () => await users(party) === 0)
  await until(() => party.provider.count('revoke') === 1)
  t.equal(party.log.filter((line) => line.includes('"level":50')).length, 0)
})

/** Makes rows with a user wait. */
async function holdInserts (t: Test, { database }: RelyingParty): Promise<{
  isAwaited: () => Promise<boolean>
  now: () => Promise<void>
}> {
  const client = new pg.Client(database.directUrl)
  await client.connect()
  t.teardown(() => client.end())
  await client.query('SELECT pg_advisory_lock(1)')
  await database.query(`
    CREATE FUNCTION wait () RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
    CREATE TRIGGER wait BEFORE INSERT ON session FOR EACH ROW
      WHEN (NEW.sess->>'user' IS NOT NULL) EXECUTE FUNCTION wait()`)
  return {
    async isAwaited () {
      const waiting = await database.query(`
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`)
      return waiting.length > 0
    },
    async now () { await client.query('SELECT pg_advisory_unlock(1)') }
  }
}
