/** The last moment that a Date can hold, in milliseconds since 1970 (ECMA-262, "Time Values and Time Range"). */
export const MAX_DATE_MS = 8.64e15
