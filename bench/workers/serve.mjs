// A process of the bench: what it is ordered over the channel to its parent, and answers there.

/**
 * Carries out orders, one after another as they come, until the parent is gone.
 *
 * @param {Record<string, (argument: any) => unknown>} orders
 */
export function serve(orders) {
  process.on('message', async (/** @type {{order: string, argument: unknown}} */ message) => {
    const {order, argument} = message
    try {
      const carryOut = orders[order]
      if (!carryOut) throw new Error(`no order ${order}`)
      process.send?.({result: await carryOut(argument)})
    } catch (error) {
      process.send?.({error: error instanceof Error ? error.message : String(error)})
    }
  })
  process.on('disconnect', () => process.exit())
}
