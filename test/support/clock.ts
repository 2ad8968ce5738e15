import type { Test } from 'tap'
import { withSetting, type Database } from './database.js'

/** The time for a test: of its database and of this process. */
export interface Clock {
  /** For connections on which the database's clock can be moved. */
  url: string
  /** Moves every clock by this many milliseconds. */
  pass (ms: number): Promise<void>
}

/**
 * Functions of the same names as PostgreSQL's, in a schema that comes before its own in the search path.
 *
 * @see {@link https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-CATALOG}
 */
const FUNCTIONS = `
  CREATE TABLE public.clock_shift (ms float8 NOT NULL);
  INSERT INTO public.clock_shift VALUES (0);
  CREATE FUNCTION public.now() RETURNS timestamptz STABLE LANGUAGE sql AS
    'SELECT pg_catalog.now() + (SELECT ms FROM public.clock_shift) * interval ''1 millisecond''';
  CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT ms FROM public.clock_shift) * interval ''1 millisecond'''`

export async function movableClock (t: Test, db: Database): Promise<Clock> {
  await db.query(FUNCTIONS)
  const [monotonic, wall] = [performance.now.bind(performance), Date.now]
  let shiftMs = 0
  // `t.intercept` keeps a stack of every call.
  Object.defineProperty(performance, 'now', { configurable: true, value: () => monotonic() + shiftMs })
  Date.now = () => wall() + shiftMs
  t.teardown(() => {
    Reflect.deleteProperty(performance, 'now')
    Date.now = wall
  })
  return {
    url: await withSetting(t, db, 'search_path', 'public,pg_catalog'),
    async pass (ms) {
      shiftMs += ms
      await db.query('UPDATE clock_shift SET ms = $1', [shiftMs])
    }
  }
}
