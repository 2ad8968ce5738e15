/**
 * The package, without the line it prints on import under Node.js 20, on which it runs.
 *
 * @module
 */
const { warn } = console
console.warn = (...args: unknown[]) => {
  if (!String(args[0]).includes('oidc-provider WARNING: Unsupported runtime')) warn(...args)
}
const module = await import('oidc-provider')
console.warn = warn

export const { Provider, interactionPolicy } = module
