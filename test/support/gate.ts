/** A promise and its resolver. Some supported versions of Node.js have no Promise.withResolvers. */
export function gate (): { passed: Promise<void>, open: () => void } {
  let open = () => {}
  const passed = new Promise<void>((resolve) => { open = resolve })
  return { passed, open }
}
