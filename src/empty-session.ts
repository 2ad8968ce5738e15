/** Whether the session holds nothing: then it is not worth a row. */
export const isEmpty = (session: object): boolean =>
  Object.entries(session).every(([key, value]) => key === 'cookie' || value === undefined)
