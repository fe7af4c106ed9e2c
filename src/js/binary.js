'use strict'

/**
 * The binary, which index.js finds and puts here before anything else of this folder is loaded.
 *
 * @type {{addon: typeof import('./addon')}}
 */
module.exports = {addon: /** @type {any} */ (undefined)}
