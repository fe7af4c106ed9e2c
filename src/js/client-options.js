'use strict'

// What becomes of each option of the clients whose options are read: it is honoured, or it cannot be and
// is refused by name, or it says how the caller's own client behaves and is ignored. The table of
// docs/redis.md shows these lists, and the tests hold them to what the published clients have.

const sentinel = require('./sentinel.js')

/** Of ioredis and iovalkey, and the words of an options object. */
exports.IOREDIS = /** @type {const} */ ({
  honoured: [
    'host',
    'port',
    'path',
    'db',
    'username',
    'password',
    'keyPrefix',
    'connectionName',
    'family',
    'connectTimeout',
    'tls',
    ...sentinel.HONOURED,
  ],
  refused: {
    Connector: 'a custom connector cannot be honoured',
  },
  ignored: [
    'autoPipeliningIgnoredCommands',
    'autoResendUnfulfilledCommands',
    'autoResubscribe',
    'blockingTimeout',
    'blockingTimeoutGrace',
    'clientInfoTag',
    'commandQueue',
    'commandTimeout',
    'disableClientInfo',
    'disconnectTimeout',
    'enableAutoPipelining',
    'enableOfflineQueue',
    'enableReadyCheck',
    'failoverDetector',
    'familyFallback',
    'himportFieldsets',
    'keepAlive',
    'lazyConnect',
    'maxLoadingRetryTime',
    'maxRetriesPerRequest',
    'monitor',
    'noDelay',
    'offlineQueue',
    'preferredSlaves',
    'protocol',
    'readOnly',
    'reconnectOnError',
    'replyMapping',
    'retryStrategy',
    'scripts',
    'sentinelCommandTimeout',
    'sentinelMaxConnections',
    'sentinelReconnectStrategy',
    'sentinelRetryStrategy',
    'showFriendlyErrorStack',
    'socketTimeout',
    'stringNumbers',
  ],
})

/** Of an options object alone, and of a client that has read it out of a URL. */
exports.OURS = /** @type {const} */ (['failoverUnsafe'])

/** Of node-redis. */
exports.NODE_REDIS = /** @type {const} */ ({
  honoured: ['socket', 'username', 'password', 'database', 'name', 'keyPrefix'],
  refused: {
    // Beside a password it is the client's own.
    credentialsProvider: 'it cannot be asked from here, give the password itself',
  },
  ignored: [
    'RESP',
    'clientInfoTag',
    'clientSideCache',
    'commandOptions',
    'commandsQueueMaxLength',
    'disableClientInfo',
    'disableOfflineQueue',
    'emitInvalidate',
    'functions',
    'himportRegistry',
    'maintEndpointType',
    'maintNotifications',
    'maintRelaxedCommandTimeout',
    'maintRelaxedSocketTimeout',
    'modules',
    'pingInterval',
    'readonly',
    'scripts',
    'unstableResp3',
    // The client has read it into the others.
    'url',
  ],
})

/** Of the `socket` of node-redis, but for what belongs to TLS. */
exports.NODE_REDIS_SOCKET = /** @type {const} */ ({
  honoured: ['host', 'port', 'path', 'family', 'connectTimeout', 'tls'],
  refused: {
    lookup: 'a function of your own that resolves names cannot be called from here',
    localAddress: 'the system chooses the local end of the connection',
    localPort: 'the system chooses the local end of the connection',
    blockList: 'the addresses that it blocks are not known here',
    fd: 'an open socket cannot be used from here',
    handle: 'an open socket cannot be used from here',
  },
  ignored: [
    'allowHalfOpen',
    'autoSelectFamily',
    'autoSelectFamilyAttemptTimeout',
    'hints',
    'keepAlive',
    'keepAliveInitialDelay',
    'noDelay',
    'reconnectStrategy',
    'signal',
    'socketTimeout',
    'typeOfService',
  ],
})
