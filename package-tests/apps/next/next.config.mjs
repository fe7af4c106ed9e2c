/** @type {import('next').NextConfig} */
export default {
  output: 'standalone',
  serverExternalPackages: process.env.BUNDLED ? [] : ['primary-lease'],
}
