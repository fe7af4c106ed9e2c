import {establishPrimaryServer, type PrimaryLease} from 'primary-lease'

establishPrimaryServer('memory://here', 'load').then((lease: PrimaryLease | undefined) => {
  console.log(`primary: ${lease?.isHeld}`)
})
