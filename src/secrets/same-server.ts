/** Whether two connection strings differ in the user name and the password at most. */
export const isSameServer = (one: string, other: string): boolean => withoutLogin(one) === withoutLogin(other)

const withoutLogin = (text: string): string => text
  .replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1')
  .replaceAll(/([?&])(?:user|password)=[^&]*/g, '$1')
