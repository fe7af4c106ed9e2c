import {establishPrimaryServer, primaryStatus} from 'primary-lease'
import {expect} from 'vitest'

/** In each file; of two that share an environment, the second finds what the first has left. */
export function isolated() {
  expect(primaryStatus('left')).toBeUndefined()
  void establishPrimaryServer('memory://left', 'left')
}
