import type { Pool } from 'pg'
import type { RecordedEvent } from '../sessions/index.js'

/** Which events, the latest first. */
export interface EventQuery {
  /** Only those of this `sub`. */
  user?: string | undefined
  /** At most this many. @default 100 */
  limit?: number | undefined
  /** The `id` of an event: only earlier ones, for the next page. */
  before?: string | undefined
}

/** Rows that one statement of `erase` changes, so that it stays within the role's `statement_timeout`. */
const ERASE_ROWS = 1000

const COLUMNS = 'id, at, type, sub, role, session, ip, device, actor, reason, request_id AS "requestId", count'

type Row = Omit<RecordedEvent, 'at'> & { at: Date }

/** The audit trail as it is in the database. Errors are those of the pool. */
export class AuditTrail {
  readonly #pool: Pick<Pool, 'query'>
  readonly #table: string

  /** @param table its quoted name, with the schema if it is not in the search path. */
  constructor (pool: Pick<Pool, 'query'>, table = '"auth_event"') {
    this.#pool = pool
    this.#table = table
  }

  /** The latest events. */
  async list ({ user, limit = 100, before }: EventQuery = {}): Promise<RecordedEvent[]> {
    const conditions = [
      ...(user === undefined ? [] : ['sub = $2']),
      ...(before === undefined ? [] : [`id < $${user === undefined ? 2 : 3}`])
    ]
    const { rows } = await this.#pool.query<Row>(`
      SELECT ${COLUMNS}
      FROM ${this.#table}
      ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
      ORDER BY id DESC
      LIMIT $1`, [limit, ...[user, before].filter((value) => value !== undefined)])
    return rows.map(asEvent)
  }

  /** Every event of a user, the first one first: what the trail knows of a person. */
  async export (sub: string): Promise<RecordedEvent[]> {
    const { rows } = await this.#pool.query<Row>(`
      SELECT ${COLUMNS}
      FROM ${this.#table}
      WHERE sub = $1
      ORDER BY id`, [sub])
    return rows.map(asEvent)
  }

  /**
   * Removes who it was from a user's events: `sub`, `session`, `ip`, `device` and `request_id` become null. What
   * happened and when stays. Needs the privilege UPDATE, which the server does not.
   *
   * @returns the number of events.
   */
  async erase (sub: string): Promise<number> {
    let erased = 0
    for (;;) {
      const { rowCount } = await this.#pool.query(`
        UPDATE ${this.#table}
        SET sub = NULL, session = NULL, ip = NULL, device = NULL, request_id = NULL
        WHERE id = ANY(ARRAY(
          SELECT id
          FROM ${this.#table}
          WHERE sub = $1
          ORDER BY id
          LIMIT ${ERASE_ROWS}
        ))`, [sub])
      erased += rowCount ?? 0
      if ((rowCount ?? 0) < ERASE_ROWS) return erased
    }
  }
}

const asEvent = ({ id, at, ...row }: Row): RecordedEvent => ({ ...row, id: String(id), at: at.toISOString() })
