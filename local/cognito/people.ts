/** The people of the local user pool: one in no group, one in each group that a login asks for. @module */

export interface Person {
  /** `cognito:username`, and the value of this person's button on the sign-in page. */
  username: string
  sub: string
  name: string
  email: string
  groups: readonly string[]
}

export const people: readonly Person[] = [
  { username: 'alice', sub: '11111111-1111-4111-8111-111111111111', name: 'Alice Sample', email: 'alice@example.com', groups: [] },
  { username: 'bob', sub: '22222222-2222-4222-8222-222222222222', name: 'Bob Sample', email: 'bob@example.com', groups: ['ISSUER'] },
  { username: 'carol', sub: '33333333-3333-4333-8333-333333333333', name: 'Carol Sample', email: 'carol@example.com', groups: ['ADMIN'] }
]

/** By `sub`, the id that never changes. */
export const personBySub = (sub: string): Person | undefined => people.find((person) => person.sub === sub)

/** By what a person would type: username or email address. */
export function personByName (name: string): Person | undefined {
  const wanted = name.trim().toLowerCase()
  return people.find(({ username, email }) => username === wanted || email === wanted)
}
