/** A promise and what fulfils it: Promise.withResolvers is not in every Node.js that we support. */
export function gate (): { passed: Promise<void>, open: () => void } {
  let open = () => {}
  const passed = new Promise<void>((resolve) => { open = resolve })
  return { passed, open }
}
