import { defineConfig } from 'tsdown'

export default defineConfig({
  entry: { index: 'src/index.ts', testing: 'src/testing/index.ts' },
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'neutral',
  fixedExtension: true,
  dts: true,
  // What is published is readable as it is, comments included; maps would more than double the install.
  sourcemap: false,
  deps: { neverBundle: [/^node:/, '@opentelemetry/api'] },
})
