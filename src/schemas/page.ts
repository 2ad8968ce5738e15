/** The content of an answer that is a page, in the language that the browser prefers. */
export const PAGE = { 'text/html': { schema: { type: 'string' } } } as const
