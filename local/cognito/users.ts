import type { SampleUser } from './sample-users.js'

/** The users of one pool. */
export class Users {
  readonly list: readonly SampleUser[]

  constructor (list: readonly SampleUser[]) {
    this.list = list
  }

  /** By `sub`, the id that never changes. */
  bySub (sub: string): SampleUser | undefined {
    return this.list.find((user) => user.sub === sub)
  }

  byUsername (username: string): SampleUser | undefined {
    return this.list.find((user) => user.username === username)
  }

  /** By username or email address, in any case. */
  byLogin (login: string): SampleUser | undefined {
    const wanted = login.trim().toLowerCase()
    return this.list.find(({ username, email }) => username.toLowerCase() === wanted || email.toLowerCase() === wanted)
  }
}
