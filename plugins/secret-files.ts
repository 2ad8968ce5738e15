import fp from 'fastify-plugin'
import { secretSourceOf } from '../src/config.js'

export interface SecretFiles {
  /** Reads the files now, besides every two seconds. Never fails. */
  look (): Promise<void>
  /** Calls `listener` when `config` has another value of the variable. */
  onChange (variable: string, listener: () => void): void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The files of secrets; null if the configuration names none. */
    secretFiles: SecretFiles | null
  }
}

/** Decorates with `secretFiles`. Their secrets in `config` change with them. */
export default fp(async (fastify) => {
  const { config, log } = fastify
  const source = secretSourceOf(config)
  if (source === undefined) {
    fastify.decorate('secretFiles', null)
    return
  }
  const { SecretWatch } = await import('../src/secrets/secret-watch.js')
  const listeners: { variable: string, listener: () => void }[] = []
  const watch = new SecretWatch(source, (event) => {
    const { type, variable } = event
    if (type === 'unusable') {
      log.warn({ variable, reason: event.reason }, 'A changed secret cannot be used; the former one stays')
      return
    }
    log.info({ variable }, 'A secret was read again from its file')
    for (const known of listeners) if (known.variable === variable) known.listener()
  })
  fastify.decorate('secretFiles', {
    look: () => watch.look(),
    onChange (variable, listener) { listeners.push({ variable, listener }) }
  } satisfies SecretFiles)
  watch.start()
  fastify.addHook('onClose', async () => { watch.stop() })
}, { name: 'secret-files', fastify: '5.x', dependencies: ['config'] })
