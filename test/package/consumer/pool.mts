import pg, { type PoolConfig } from 'pg'
import { PgSessionStore } from 'cashsouk-auth/session-store'

const config: PoolConfig = { connectionString: 'postgresql://127.0.0.1/app', max: 3 }

export const stores = [new PgSessionStore({ pool: new pg.Pool(config) }), new PgSessionStore({ conObject: config })]
