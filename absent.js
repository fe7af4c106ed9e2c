// In the place of a platform's package that a bundler does not find; see index.js.
module.exports = /** @type {object | null} */ (null)
