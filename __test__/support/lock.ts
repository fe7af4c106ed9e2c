/** A promise that is resolved from outside. */
export function lock() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return {opened, open}
}
