import { defineConfig } from 'tsdown'

export default defineConfig({
  entry: { index: 'src/index.ts', testing: 'src/testing/index.ts' },
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'neutral',
  fixedExtension: true,
  dts: true,
  sourcemap: true,
  external: [/^node:/, '@opentelemetry/api'],
})
