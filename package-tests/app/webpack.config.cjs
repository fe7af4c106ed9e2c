const {join} = require('node:path')
const {DefinePlugin} = require('webpack')

/** @param {{noDeps?: boolean}} env whether the bundle holds the dependencies too */
module.exports = ({noDeps = false}) => ({
  mode: 'production',
  target: 'node',
  entry: {
    server: join(__dirname, 'src/server.ts'),
    embedder: join(__dirname, 'src/embedder.ts'),
  },
  output: {
    path: join(__dirname, noDeps ? 'bundled/noDeps' : 'bundled/externals'),
    filename: '[name].js',
    libraryTarget: 'commonjs2',
  },
  node: {__dirname: false},
  optimization: {minimize: false},
  resolve: {extensions: ['.ts', '.js']},
  externals: noDeps ? [] : [/^[a-z@][^:]*$/],
  externalsType: 'commonjs',
  module: {
    rules: [
      {test: /\.ts$/, loader: join(__dirname, 'loaders/swc.cjs')},
      {
        test: /\.node$/,
        include: /node_modules/,
        loader: join(__dirname, 'loaders/node-binary.cjs'),
      },
    ],
  },
  plugins: [
    new DefinePlugin({
      'process.platform': JSON.stringify(process.platform),
      'process.arch': JSON.stringify(process.arch),
      'process.versions.modules': JSON.stringify(process.versions.modules),
    }),
  ],
})
