// Turns src into dist file by file, without checking types: for the demo, which must answer in seconds. `npm run build` checks them.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const { compilerOptions } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8')).config
const options = ts.convertCompilerOptionsFromJson(
  { ...compilerOptions, module: 'ESNext', moduleResolution: 'Bundler', types: [], sourceMap: false },
  '.',
).options

for (const name of readdirSync('src', { recursive: true })) {
  if (!name.endsWith('.ts')) continue
  const path = join('src', name)
  const out = join('dist', path.replace(/\.ts$/, '.js'))
  mkdirSync(dirname(out), { recursive: true })
  const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), { compilerOptions: options, fileName: path })
  writeFileSync(out, outputText)
}
