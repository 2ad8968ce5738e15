/** The present on the database's clock, in UTC, comparable with `expire`. */
const NOW = 'timezone(\'utc\', now())'

const in_ = (milliseconds: string): string => `${NOW} + ${milliseconds}::float8 * interval '1 millisecond'`

/** The statements of leases, each by itself. A lease's `sess` holds `lease`, its holder, and `failed`, an error code. @param table quoted */
export function leaseStatements (table: string) {
  return {
    /** `(sid, holder, duration)` → `acquired, failed`. One that has expired is taken over. */
    acquire: `WITH mine AS (
        INSERT INTO ${table} AS t (sid, sess, expire) VALUES ($1, json_build_object('lease', $2::text), ${in_('$3')})
        ON CONFLICT (sid) DO UPDATE SET sess = EXCLUDED.sess, expire = EXCLUDED.expire WHERE t.expire <= ${NOW}
        RETURNING 1)
      SELECT EXISTS (SELECT FROM mine) AS acquired, (SELECT sess ->> 'failed' FROM ${table} WHERE sid = $1 AND expire > ${NOW}) AS failed`,
    /** `(sid, holder)` */
    release: `DELETE FROM ${table} WHERE sid = $1 AND sess ->> 'lease' = $2`,
    /** `(sid, holder, code, duration)` */
    fail: `UPDATE ${table} SET sess = json_build_object('lease', $2::text, 'failed', $3::text), expire = ${in_('$4')} WHERE sid = $1 AND sess ->> 'lease' = $2`
  }
}
