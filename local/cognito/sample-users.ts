/** The users of the local user pool: one without a group, and one in each group that a role needs. @module */

export interface SampleUser {
  /** `cognito:username`, and the value of this user's button on the sign-in page. */
  username: string
  sub: string
  name: string
  email: string
  groups: readonly string[]
  /** The error with which the pool refuses this user's sign-in at the callback (RFC 6749 §4.1.2.1). Default: none. */
  refused?: string
}

export const sampleUsers: readonly SampleUser[] = [
  {
    username: 'alice',
    sub: '11111111-1111-4111-8111-111111111111',
    name: 'Alice Sample',
    email: 'alice@example.com',
    groups: []
  },
  {
    username: 'bob',
    sub: '22222222-2222-4222-8222-222222222222',
    name: 'Bob Sample',
    email: 'bob@example.com',
    groups: ['ISSUER']
  },
  {
    username: 'carol',
    sub: '33333333-3333-4333-8333-333333333333',
    name: 'Carol Sample',
    email: 'carol@example.com',
    groups: ['ADMIN']
  }
]
