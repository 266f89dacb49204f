/** Uses the package as a CommonJS application does. */
const { KeitoSpanExporter } = require('opentelemetry-exporter-keito')
const { startKeitoSandbox } = require('opentelemetry-exporter-keito/testing')

async function main() {
  const sandbox = await startKeitoSandbox()
  const exporter = new KeitoSpanExporter(sandbox.exporterOptions)
  await exporter.shutdown()
  await sandbox.close()
  console.info(JSON.stringify({ spansSeen: exporter.stats().spansSeen }))
}

main()
