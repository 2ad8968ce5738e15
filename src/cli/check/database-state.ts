import { TABLE_SHAPE, type TableShape } from '../../sessions/statements/table-shape.js'

/** What the catalogue says of the database and of the role. */
export interface State {
  version: string
  database: string
  role: string
  is_read_only: boolean
  time_zone: string
  /** `0`: not set. */
  statement_timeout: string
  lock_timeout: string
  idle_in_transaction_session_timeout: string
  max_connections: number
  /** Connections that this role does not get. */
  reserved: number
  /** -1: none. */
  role_limit: number
  database_limit: number
  /** Null: there is no such table on the search path. */
  shape: TableShape | null
  /** Other schemas that have a table of the name. */
  other_schemas: string[]
  may_create: boolean
  missing_privileges: string[]
  invalid_indexes: string[]
}

/** Needs no privilege. */
export const STATE = `
  SELECT
    current_setting('server_version') AS version,
    current_database() AS database,
    current_user AS role,
    pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS is_read_only,
    current_setting('TimeZone') AS time_zone,
    current_setting('statement_timeout') AS statement_timeout,
    current_setting('lock_timeout') AS lock_timeout,
    current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction_session_timeout,
    current_setting('max_connections')::int AS max_connections,
    CASE WHEN r.rolsuper THEN 0 ELSE
      current_setting('superuser_reserved_connections')::int
      + COALESCE(current_setting('reserved_connections', true)::int, 0)
    END AS reserved,
    r.rolconnlimit AS role_limit,
    d.datconnlimit AS database_limit,
    (SELECT s.shape FROM (${TABLE_SHAPE.replace('$1', '\'"session"\'')}) AS s) AS shape,
    ARRAY(
      SELECT n.nspname::text
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relname = 'session'
        AND c.relkind IN ('r', 'p')
    ) AS other_schemas,
    COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
    ARRAY(
      SELECT p.name
      FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (name)
      WHERE to_regclass('"session"') IS NOT NULL
        AND NOT has_table_privilege(to_regclass('"session"'), p.name)
    ) AS missing_privileges,
    ARRAY(
      SELECT i.indexrelid::regclass::text
      FROM pg_index AS i
      WHERE i.indrelid = to_regclass('"session"')
        AND NOT i.indisvalid
    ) AS invalid_indexes
  FROM pg_roles AS r, pg_database AS d
  WHERE r.rolname = current_user
    AND d.datname = current_database()`
