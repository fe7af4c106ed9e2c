export async function register() {
  // It is called in the edge runtime too, which has no connections.
  if (process.env.NEXT_RUNTIME === 'nodejs') await import('./primary')
}
