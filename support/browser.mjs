import {which} from './run.mjs'

/** The path of a browser that can be driven without a screen, or undefined. */
export const findBrowser = () =>
  which('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
