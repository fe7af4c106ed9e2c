import {primaryStatus} from 'primary-lease'
import {tell} from './tell'

/** Tells again and again which leases of these elections are held at that moment. */
export function tellWhatIsHeld(prefixes: string[]) {
  const look = () => {
    for (const prefix of prefixes) {
      const lease = primaryStatus(prefix)?.lease
      if (lease?.isHeld) tell('held', {lease: lease.name, token: lease.token})
    }
  }
  setInterval(look, 50).unref()
}
