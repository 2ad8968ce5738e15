import { READ_AT_PRIMARY } from './expressions.js'

export interface Column {
  name: string
  /** As PostgreSQL writes it, without its modifiers: `character varying`. */
  type: string
  /** The length of a `varchar(n)`; null: unlimited. */
  length: number | null
  isRequired: boolean
  /** The expression of a generated column. */
  generated: string | null
}

/** What the catalogue says of a table. */
export interface TableShape {
  /** `pg_class.relkind`: `r` table, `p` partitioned table, `v` view and so on. */
  kind: string
  schema: string
  columns: Column[]
  /** Whether an `ON CONFLICT (sid)` finds its index. */
  isSidUnique: boolean
  /** The columns that indexes begin with. */
  indexed: string[]
}

/**
 * Gives the {@link TableShape} as `shape` for a quoted name, `$1`; no row if there is no such table.
 * Needs no privilege.
 */
export const TABLE_SHAPE = `
  SELECT json_build_object(
    'kind', c.relkind,
    'schema', c.relnamespace::regnamespace,
    'columns', (
      SELECT COALESCE(json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, NULL),
        'length', CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 END,
        'isRequired', a.attnotnull AND d.oid IS NULL AND a.attidentity = '',
        'generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END
      )), '[]')
      FROM pg_attribute AS a
      LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = c.oid
        AND a.attnum > 0
        AND NOT a.attisdropped
    ),
    'isSidUnique', EXISTS (
      SELECT
      FROM pg_index AS i
      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE i.indrelid = c.oid
        AND a.attname = 'sid'
        AND i.indnkeyatts = 1
        AND i.indisunique
        AND i.indisvalid
        AND i.indimmediate
        AND i.indpred IS NULL
    ),
    'indexed', ARRAY(
      SELECT a.attname::text
      FROM pg_index AS i
      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE i.indrelid = c.oid
        AND i.indisvalid
    )
  ) AS shape, ${READ_AT_PRIMARY} AS read_at
  FROM pg_class AS c
  WHERE c.oid = to_regclass($1)`
