/**
 * oidc-provider, without the warning that it prints when it is imported under Node.js 20, on which it works.
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
