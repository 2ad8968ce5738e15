/**
 * Imported first by the entry, so that nothing else of it is loaded in production.
 *
 * @module
 */
if (process.env.NODE_ENV === 'production') {
  throw new Error('cashsouk-auth/testing signs anyone in without a password: it does not load with NODE_ENV=production')
}
