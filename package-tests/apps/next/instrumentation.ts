export async function register() {
  // It is called in the edge runtime too, where there is no Redis.
  if (process.env.NEXT_RUNTIME === 'nodejs') await import('./primary')
}
