import type { Done } from './batch.js'
import { ERR_DATABASE, ERR_SESSION_VALUE } from './errors.js'
import type { SessionIds } from './ids.js'
import type { Lifetimes } from './lifetimes.js'
import { LoadedRow, loadedFrom, remember } from './loaded.js'
import { merge } from './merge.js'
import { contentOf, isSameLifetime, lifetimeOf, parse, serialise, type SessionData } from './serialise.js'
import type { Put, SessionTable, Sids, Written } from './table.js'

/** How often a change is merged with another at most, before it is given up. */
const MAX_MERGES = 20

/**
 * Writes session objects by what is known of their rows: one that was loaded is updated if it changed, touched
 * if it did not and that is due, and never inserted; any other is inserted.
 *
 * `done` is called once, later, and must not throw.
 */
export class SessionWriter {
  readonly #table: SessionTable
  readonly #ids: SessionIds
  readonly #lifetimes: Lifetimes
  readonly #log: (message: string) => void

  /** Sessions that two requests changed at once, and those of them where one key was changed by both. */
  readonly conflicts = { merged: 0, overwritten: 0 }

  constructor (table: SessionTable, ids: SessionIds, lifetimes: Lifetimes, log: (message: string) => void) {
    this.#table = table
    this.#ids = ids
    this.#lifetimes = lifetimes
    this.#log = log
  }

  /** @throws {ERR_SESSION_VALUE} */
  set (id: string, session: SessionData, done: Done<void>): void {
    const content = contentOf(session)
    const sids = this.#ids.candidates(id)
    const [sid] = sids
    if (sid === undefined) throw new ERR_SESSION_VALUE('its id is not one')
    const loaded = loadedFrom(session, sids)
    if (loaded === undefined) this.#put(sid, session, content, done)
    else if (loaded.content !== content || !isSameLifetime(loaded.lifetime, lifetimeOf(session))) this.#update(sids, session, loaded, content, done)
    else this.#touchLoaded(sids, session, loaded, done)
  }

  touch (id: string, session: SessionData, done: Done<void>): void {
    const sids = this.#ids.candidates(id)
    if (sids.length === 0) { process.nextTick(done, null); return }
    const loaded = loadedFrom(session, sids)
    if (loaded !== undefined) { this.#touchLoaded(sids, session, loaded, done); return }
    const { absoluteMs: lifetimeMs } = this.#lifetimes
    this.#table.touch({ sids, ...this.#lifetimes.of(session), lifetimeMs }, and(done, () => {}))
  }

  /**
   * Inserts `session` under `id` and ends the sessions `formerIds`, in one statement.
   *
   * @returns what each former session held; undefined where it was not live.
   * @throws {ERR_SESSION_VALUE} {ERR_DATABASE}
   */
  async replace (id: string, session: SessionData, formerIds: readonly string[]): Promise<(string | undefined)[]> {
    const [sid] = this.#ids.candidates(id)
    if (sid === undefined) throw new ERR_SESSION_VALUE('its id is not one')
    const item = this.#insertion(sid, session, contentOf(session))
    const { written, ended } = await this.#table.replace(item, formerIds.map((former) => this.#ids.candidates(former)))
    this.#attach(session, item, written)
    return ended
  }

  /** Inserts `data` under `id` for `durationMs`. @throws {ERR_SESSION_VALUE} {ERR_DATABASE} */
  async putOnce (id: string, data: Record<string, unknown>, durationMs: number): Promise<void> {
    const [sid] = this.#ids.candidates(id)
    if (sid === undefined) throw new ERR_SESSION_VALUE('its id is not one')
    const cookie = { originalMaxAge: durationMs, expires: new Date(Date.now() + durationMs) }
    const sess = serialise({ cookie, ...data })
    await new Promise<void>((resolve, reject) => {
      this.#table.put({ sid, sess, durationMs, limitMs: null, lifetimeMs: null }, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  #put (sid: string, session: SessionData, content: string, done: Done<void>): void {
    const item = this.#insertion(sid, session, content)
    this.#table.put(item, and(done, (row) => { if (row !== undefined) this.#attach(session, item, row) }))
  }

  #insertion (sid: string, session: SessionData, content: string): Put {
    const sess = serialise(session, content)
    const lifetimeMs = typeof session.createdAt === 'number' ? null : this.#lifetimes.absoluteMs
    return { sid, sess, ...this.#lifetimes.of(session), lifetimeMs }
  }

  #attach (session: SessionData, { sid, sess, lifetimeMs }: Put, { version, expireMs, createdMs: nowMs }: Written & { createdMs: number }): void {
    if (lifetimeMs !== null) session.createdAt = nowMs
    const written = lifetimeMs === null ? sess : `${sess.slice(0, -1)},"createdAt":${nowMs}}`
    remember(session, new LoadedRow({ sid, version, expireMs, nowMs, sess: written, lifetime: lifetimeOf(session) }))
  }

  /** Writes a change where nobody else wrote one meanwhile; else both are kept. */
  #update (sids: Sids, session: SessionData, loaded: LoadedRow, content: string, done: Done<void>): void {
    const beganMs = performance.now()
    const [sid = ''] = sids
    const lifetime = lifetimeOf(session)
    const limitMs = this.#lifetimes.limitMs(session)
    const durationMs = isSameLifetime(loaded.lifetime, lifetime) && !this.#lifetimes.isTouchDue(session, loaded) ? null : this.#lifetimes.durationMs(session)
    const sess = serialise(session, content, durationMs === null ? loaded.expireMs : undefined)
    const change: Change = { sids, sess, lifetime, durationMs, limitMs, beganMs }
    const mergeBoth = () => { this.#merge(session, loaded, change).then(() => { done(null) }, done) }
    if (loaded.sid !== sid || loaded.seen !== loaded.sess) { mergeBoth(); return }
    this.#table.write({ sid, version: loaded.version, sess, durationMs, limitMs }, (error, row) => {
      // Without a row: somebody has it locked, touched it, changed it or ended it.
      if (error !== null) done(error)
      else if (row === undefined) mergeBoth()
      else and<Written>(done, ({ version, expireMs }) => { remember(session, new LoadedRow({ sid, version, expireMs, nowMs: loaded.databaseNow(), sess, lifetime })) })(null, row)
    })
  }

  async #merge (session: SessionData, loaded: LoadedRow, { sids, sess, lifetime, durationMs, limitMs, beganMs }: Change): Promise<void> {
    let base = loaded.sess
    let merged = loaded.seen !== base
    let overwritten: string[] = []
    for (let attempt = 1; attempt <= MAX_MERGES; attempt++) {
      let text = sess
      if (merged) {
        const both = merge(parse(loaded.seen) ?? {}, session, parse(base) ?? {})
        text = serialise(both.session)
        overwritten = both.overwritten
      }
      // All attempts together have the time of one call.
      const outcome = await this.#table.update({ sids, base, sess: text, durationMs, limitMs }, performance.now() - beganMs)
      if (outcome === undefined) return // it was ended meanwhile, and stays so
      if ('expireMs' in outcome) {
        const [sid = ''] = sids
        remember(session, new LoadedRow({ sid, ...outcome, nowMs: loaded.databaseNow(), sess: text, seen: sess, lifetime }))
        if (attempt > 1) this.#merged(overwritten)
        return
      }
      base = outcome.current
      merged = true
    }
    throw new ERR_DATABASE({ cause: new Error('too many requests change one session at once') })
  }

  #merged (overwritten: string[]): void {
    this.conflicts.merged++
    if (overwritten.length > 0) this.conflicts.overwritten++
    this.#log(overwritten.length === 0
      ? 'Two requests changed one session at once; both changes were kept'
      : `Two requests changed one session at once; the later one was kept of ${overwritten.join(', ')}`)
  }

  /** If that is due. A row that was found in an older form takes the written one, too. */
  #touchLoaded (sids: Sids, session: SessionData, loaded: LoadedRow, done: Done<void>): void {
    const [sid = ''] = sids
    if (loaded.sid === sid && !this.#lifetimes.isTouchDue(session, loaded)) { process.nextTick(done, null); return }
    const item = { sids, ...this.#lifetimes.of(session), lifetimeMs: null }
    this.#table.touch(item, and(done, (row) => {
      if (row === undefined) return
      const { sess, seen, lifetime } = loaded
      remember(session, new LoadedRow({ sid, ...row, nowMs: loaded.databaseNow(), sess, seen, lifetime }))
    }))
  }
}

/** A change on its way. `sess`: the session as its writer has it; `beganMs`: on the process's monotonic clock. */
interface Change { sids: Sids, sess: string, lifetime: number | null, durationMs: number | null, limitMs: number | null, beganMs: number }

/** `use` of what came out, before `done`. */
const and = <Out>(done: Done<void>, use: (out: Out) => void): Done<Out> => (error, out) => {
  if (error !== null) { done(error); return }
  try {
    use(out as Out)
  } catch (thrown) { // a session object that cannot be written to
    done(thrown as Error)
    return
  }
  done(null)
}
