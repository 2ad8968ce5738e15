import { createRequire } from 'node:module'

/** The version of this package. Its name leads to its own package.json wherever the code was built to. */
export const { version } = createRequire(import.meta.url)('cashsouk-auth/package.json') as { version: string }
