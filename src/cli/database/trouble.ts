import { sqlState } from '../../sessions/sql-errors.js'

/** What is wrong with a connection or a statement. Neither text has a password. */
export interface Trouble {
  kind: TroubleKind
  /** A sentence without its full stop. */
  problem: string
  /** What to do about it. */
  advice?: string
}

export type TroubleKind =
  'dns' | 'refused' | 'unreachable' | 'tls' | 'pg_hba' | 'password' | 'role' | 'database' | 'connections'
  | 'privileges' | 'table' | 'timeout' | 'lock' | 'read-only' | 'other'

interface Failure { code?: string, message?: string, hostname?: string, errors?: unknown[] }

/** What an error of pg, of a socket or of TLS says. */
export function troubleOf (error: unknown): Trouble {
  const { errors } = (error ?? {}) as Failure
  // A name with several addresses: what the first of them said.
  if (Array.isArray(errors) && errors.length > 0) return troubleOf(errors[0])
  return socketTrouble(error as Failure) ?? tlsTrouble(error as Failure) ?? stateTrouble(error as Failure)
}

function socketTrouble ({ code = '', message = '', hostname }: Failure): Trouble | undefined {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NODATA':
      return {
        kind: 'dns',
        problem: `the host ${hostname ?? 'of the URL'} has no address in DNS (${code})`,
        advice: 'correct the host name, or the name server of this machine'
      }
    case 'ECONNREFUSED':
      return {
        kind: 'refused',
        problem: 'the connection was refused (ECONNREFUSED)',
        advice: 'nothing listens at this address and port: correct them, or start the server there'
      }
    case 'ENOENT':
      return {
        kind: 'refused',
        problem: 'a file or a Unix socket of DATABASE_URL does not exist (ENOENT)',
        advice: 'correct its path'
      }
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ECONNRESET':
      return {
        kind: 'unreachable',
        problem: `there was no connection (${code})`,
        advice: 'look at the security group, the firewall and the route to this address'
      }
  }
  if (/timeout expired|connection timeout|Query read timeout/i.test(message)) {
    return {
      kind: 'unreachable',
      problem: 'no answer in time',
      advice: 'look at the security group, the firewall, and whether the database hangs'
    }
  }
  if (/Connection terminated/i.test(message)) {
    return { kind: 'unreachable', problem: 'the connection was closed', advice: 'look at the log of the database' }
  }
  return undefined
}

/** Codes of OpenSSL by which a certificate is refused. */
const AUTHORITY = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_SELF_SIGNED|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)/

function tlsTrouble (failure: Failure): Trouble | undefined {
  const { code = '', message = '' } = failure
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { host = '', cert } = failure as { host?: string, cert?: { subjectaltname?: string } }
    const names = (cert?.subjectaltname ?? 'another host').replaceAll('DNS:', '')
    return {
      kind: 'tls',
      problem: `the certificate is for ${names}, and not for ${host}`,
      advice: 'use a host name that the certificate has'
    }
  }
  if (AUTHORITY.test(code)) {
    return {
      kind: 'tls',
      problem: `the certificate is by an authority that this machine does not know (${code})`,
      advice: 'name the file of its certificate as sslrootcert in DATABASE_URL'
    }
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return { kind: 'tls', problem: `the certificate is not valid now (${code})`, advice: 'renew it, or set the clock' }
  }
  if (/does not support SSL/i.test(message)) {
    return {
      kind: 'tls',
      problem: 'the server does not offer TLS',
      advice: 'switch it on there, or remove sslmode from DATABASE_URL within one machine'
    }
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
    return { kind: 'tls', problem: `TLS failed (${code})`, advice: 'look at the versions of TLS that both sides take' }
  }
  return undefined
}

function stateTrouble (failure: Failure): Trouble {
  const { message = 'unknown error' } = failure
  const state = sqlState(failure)
  switch (state) {
    case '28000':
      return hbaTrouble(message)
    case '28P01':
      return {
        kind: 'password',
        problem: 'the password, or the user, is wrong (28P01)',
        advice: 'compare both with the role, and percent-encode special characters in DATABASE_URL'
      }
    case '3D000':
      return { kind: 'database', problem: message, advice: 'create it, or correct the name in DATABASE_URL' }
    case '53300':
      return {
        kind: 'connections',
        problem: `the database has no connection left (${message})`,
        advice: 'lower DATABASE_POOL_MAX or the number of instances, or raise max_connections'
      }
    case '42501':
      return { kind: 'privileges', problem: message, advice: 'grant it, as docs/operations.md has it under Database' }
    case '42P01':
      return { kind: 'table', problem: message, advice: 'the server creates it when it starts' }
    case '57014':
      return { kind: 'timeout', problem: message, advice: 'the database is slow, or another statement holds a lock' }
    case '55P03':
      return { kind: 'lock', problem: message, advice: 'another statement holds a lock: try again when it has ended' }
    case '25006':
      return { kind: 'read-only', problem: message, advice: 'use the address of the primary' }
    case '57P03':
      return { kind: 'refused', problem: message, advice: 'the database is starting or stopping: try again' }
  }
  if (/client password must be a (non-empty )?string/i.test(message)) {
    return { kind: 'password', problem: 'DATABASE_URL has no password, and the database asks for one' }
  }
  if (/scramMaxIterations/.test(message)) {
    return { kind: 'password', problem: message, advice: 'add the parameter scramMaxIterations to DATABASE_URL' }
  }
  return { kind: 'other', problem: state === undefined ? message : `${message} (${state})` }
}

function hbaTrouble (message: string): Trouble {
  if (/pg_hba\.conf/.test(message) && /no encryption|SSL off/i.test(message)) {
    return {
      kind: 'pg_hba',
      problem: 'the database takes no connection without TLS (no pg_hba.conf entry, no encryption)',
      advice: 'append sslmode=verify-full and sslrootcert=FILE to DATABASE_URL'
    }
  }
  if (/pg_hba\.conf/.test(message)) {
    return {
      kind: 'pg_hba',
      problem: message,
      advice: 'add this user, database and address to pg_hba.conf, or correct them in DATABASE_URL'
    }
  }
  return { kind: 'role', problem: message, advice: 'create the role, or correct the user in DATABASE_URL' }
}
