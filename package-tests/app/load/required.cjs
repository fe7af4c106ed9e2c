const {establishPrimaryServer} = require('primary-lease')

establishPrimaryServer('memory://here', 'load').then((lease) => {
  console.log(`primary: ${lease.isHeld}`)
})
