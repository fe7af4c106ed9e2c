module.exports = {
  apps: [
    {
      name: 'app',
      script: 'server.mjs',
      instances: 2,
      exec_mode: 'cluster',
      // For `process.send('ready')`: when it listens, not when it has been elected.
      wait_ready: true,
      // Above the drain: then comes SIGKILL, and a killed primary is replaced after a ttl only.
      kill_timeout: 8000,
    },
  ],
}
