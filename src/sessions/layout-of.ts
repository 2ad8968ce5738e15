import { escapeIdentifier } from 'pg'
import { SessionTableError } from './errors.js'
import type { Settings } from './options.js'
import { member, type Layout, type SessType } from './statements/layout.js'
import type { Column, TableShape } from './statements/table-shape.js'
import { isGeneratedFrom, userPath } from './user-column.js'

/** Hashed ids, and those of leases and of what says why a session ended, are this long, in characters. */
const HASHED_LENGTH = 49

const TEXT_TYPES = { 'character varying': true, 'text': true } as const
const SESS_TYPES: Readonly<Record<string, SessType>> = {
  'json': 'json', 'jsonb': 'jsonb', 'text': 'text', 'character varying': 'text'
}
const EXPIRE_TYPES: Readonly<Record<string, Layout['expire']>> = {
  'timestamp without time zone': 'timestamp', 'timestamp with time zone': 'timestamptz'
}

/**
 * How to speak to a table of this shape.
 *
 * @param table its quoted name.
 * @throws {SessionTableError} naming what cannot be used.
 */
export function layoutOf (
  table: string, shape: TableShape, settings: Pick<Settings, 'userKey' | 'keys'> & Partial<Pick<Settings, 'endCommit'>>
): Layout {
  if (shape.kind !== 'r' && shape.kind !== 'p') throw new SessionTableError(`${table} is not a table`)
  const columns = new Map(shape.columns.map((column) => [column.name, column]))
  const column = (name: string): Column => {
    const found = columns.get(name)
    if (found === undefined) throw new SessionTableError(`${table} has no column "${name}"`)
    return found
  }
  const typeOf = <Type> (name: string, types: Readonly<Record<string, Type>>): Type => {
    const { type } = column(name)
    if (Object.hasOwn(types, type)) return types[type] as Type
    const wanted = Object.keys(types).join(', ')
    throw new SessionTableError(`column "${name}" of ${table} is of type ${type}, not one of: ${wanted}`)
  }

  typeOf('sid', TEXT_TYPES)
  const sess = typeOf('sess', SESS_TYPES)
  const expire = typeOf('expire', EXPIRE_TYPES)
  if (!shape.isSidUnique) {
    throw new SessionTableError(`column "sid" of ${table} has no unique index of its own`)
  }
  const { length } = column('sid')
  if (settings.keys.length > 0 && length !== null && length < HASHED_LENGTH) {
    throw new SessionTableError(
      `column "sid" of ${table} holds ${length} characters, and hashed ids need ${HASHED_LENGTH}`
    )
  }
  const required = shape.columns
    .find(({ name, isRequired }) => isRequired && !['sid', 'sess', 'expire'].includes(name))
  if (required !== undefined) {
    throw new SessionTableError(
      `column "${required.name}" of ${table} is NOT NULL and has no default, and the store does not know it`
    )
  }

  const path = userPath(settings.userKey)
  const generated = shape.columns
    .find(({ generated, type }) =>
      generated !== null && Object.hasOwn(TEXT_TYPES, type) && isGeneratedFrom(generated, path))
  return {
    table,
    sidLength: length,
    sess,
    expire,
    user: generated === undefined ? member({ sess }, path) : escapeIdentifier(generated.name),
    hasUserColumn: generated !== undefined,
    isPartitioned: shape.kind === 'p',
    hasExpireIndex: shape.indexed.includes('expire'),
    waitsForStandby: settings.endCommit === 'remote_apply'
  }
}
