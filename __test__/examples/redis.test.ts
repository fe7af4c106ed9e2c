import {establishPrimaryServer} from 'primary-lease'

test('a service that does not answer INFO in scripts', async () => {
  const redis = {host: 'redis.example.com', failoverUnsafe: true}

  // It is understood: what cannot be had with it is refused, before anything is asked.
  await expect(establishPrimaryServer(redis, 'jobs', {eagerStart: true})).rejects.toMatchObject({
    code: 'ERR_INVALID_CONFIG',
    message: expect.stringContaining('failoverUnsafe'),
  })
})
