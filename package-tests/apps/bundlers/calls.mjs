// A page that has taken code of the server.

import {establishPrimaryServer, LeaderRunner} from 'primary-lease'

for (const call of [
  () => establishPrimaryServer('redis://localhost', 'page'),
  () => new LeaderRunner('redis://localhost', 'page', 10_000),
]) {
  try {
    call()
  } catch (error) {
    console.log(error.message)
  }
}
